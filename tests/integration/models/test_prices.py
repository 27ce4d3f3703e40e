"""The prices that workers store are those by which calls are billed."""

from config.minds import EMBEDDED_MODEL, get_minds, usable_models
from config.settings import get_settings
from models.prices import prices_of
from models.session import unit_of_work
from tasks.llm.cost import cost_usd
from tasks.llm.models import target
from tasks.worker.bookkeeper import Bookkeeper

from ..budgets import budgeted

SENT, MADE = 1_000_000, 10_000


def test_the_bookkeeper_stores_the_price_of_every_model_in_use(quiet: None) -> None:
    with budgeted():
        Bookkeeper().keep_books()
        names = {*usable_models(get_minds(), get_settings()), *get_minds().intent_models}
        with unit_of_work() as session:
            prices = prices_of(session)
        for name in names - {EMBEDDED_MODEL}:
            price = prices[name]
            cost = price.input_usd * SENT + price.output_usd * MADE
            assert cost == cost_usd(target(name), SENT, MADE) > 0, name
            assert price.context_tokens == target(name).context_tokens
