"""Stores the prices of models where the web process, which has no LiteLLM, reads them."""

from decimal import Decimal
from typing import Final

import structlog

from config.minds import EMBEDDED_MODEL, get_minds, with_keys
from config.settings import get_settings
from models.prices import Price, store_prices
from models.session import unit_of_work
from tasks.llm.cost import price_of
from tasks.llm.models import target

NO_BUDGET: Final = "they cost nothing here, and no budget limits them"

log = structlog.get_logger(__name__)


def publish_prices() -> None:
    """Store the price of every model of the routes, and of those that classify. Raises
    DatabaseUnavailable."""
    minds = get_minds()
    routed = (model for route in minds.routes.values() for model in route)
    names = {*routed, *minds.intent_models} - {EMBEDDED_MODEL}
    with unit_of_work() as session:
        store_prices(session, {name: _price(name) for name in names})
    usable = names.intersection(with_keys(tuple(names), get_settings()))
    unpriced = [name for name in sorted(usable) if price_of(target(name).litellm_model) is None]
    if unpriced:
        log.warning("models without a price", models=unpriced, effect=NO_BUDGET)


def _price(name: str) -> Price:
    to = target(name)
    given, made = price_of(to.litellm_model) or (Decimal(0), Decimal(0))
    return Price(given, made, to.context_tokens)
