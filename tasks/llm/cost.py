"""What a call cost, by the price list that LiteLLM ships."""

from decimal import Decimal

import structlog

from tasks.llm.library import litellm
from tasks.llm.models import Target

log = structlog.get_logger(__name__)


def cost_usd(target: Target, input_tokens: int, output_tokens: int) -> Decimal:
    """Return the cost in US dollars, to six decimals.

    The embedded model costs nothing. Neither does a model without a price, which logs a warning.
    """
    if target.provider == "embedded":
        return Decimal(0)
    name = target.litellm_model
    price = litellm.model_cost.get(name) or litellm.model_cost.get(name.split("/", 1)[1])
    if price is None:
        log.warning("model without a price", model=target.name)
        return Decimal(0)
    paid = Decimal(str(price.get("input_cost_per_token") or 0)) * input_tokens
    paid += Decimal(str(price.get("output_cost_per_token") or 0)) * output_tokens
    return paid.quantize(Decimal("0.000001"))
