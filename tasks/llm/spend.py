"""What a call has cost."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Spent:
    """The tokens of one call, said by the provider or counted here, and their price."""

    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
