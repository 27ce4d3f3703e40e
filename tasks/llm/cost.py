"""What a call cost, by the price list that LiteLLM ships."""

from decimal import Decimal
from functools import lru_cache
from typing import Final

import structlog

from tasks.llm.library import litellm
from tasks.llm.models import Target

_MICRO: Final = Decimal("0.000001")

log = structlog.get_logger(__name__)


def cost_usd(target: Target, input_tokens: int, output_tokens: int) -> Decimal:
    """Return the cost in US dollars, to six decimals.

    The embedded model costs nothing. Neither does a model without a price, which logs a warning.
    """
    if target.provider == "embedded":
        return Decimal(0)
    price = price_of(target.litellm_model)
    if price is None:
        log.warning("model without a price", model=target.name)
        return Decimal(0)
    paid = price[0] * input_tokens + price[1] * output_tokens
    return paid.quantize(_MICRO)


@lru_cache(maxsize=256)
def price_of(name: str) -> tuple[Decimal, Decimal] | None:
    """The price of an input and of an output token of LiteLLM's model; None if it is unknown."""
    known = litellm.model_cost.get(name) or litellm.model_cost.get(name.split("/", 1)[1])
    if known is None:
        return None
    given, made = (known.get(f"{kind}_cost_per_token") or 0 for kind in ("input", "output"))
    return Decimal(str(given)), Decimal(str(made))
