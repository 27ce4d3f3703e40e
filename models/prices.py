"""What models cost: written by workers, which have LiteLLM's price list, and read by the web."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Integer, Numeric, String, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Timestamp


class ModelPrice(Base):
    """The price of a model's tokens in US dollars each, and its context window. A model without a
    price, such as the embedded one, costs 0."""

    __tablename__ = "model_prices"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    input_usd: Mapped[Decimal] = mapped_column(Numeric(20, 12))
    output_usd: Mapped[Decimal] = mapped_column(Numeric(20, 12))
    context_tokens: Mapped[int] = mapped_column(Integer)
    updated_at: Mapped[Timestamp]


@dataclass(frozen=True)
class Price:
    """What a model's input and output tokens cost in US dollars each, and its context window."""

    input_usd: Decimal
    output_usd: Decimal
    context_tokens: int


def store_prices(session: Session, prices: Mapping[str, Price]) -> None:
    """Store the prices of models, by name. Those that are stored already are not written again."""
    rows = [
        {
            "name": name,
            "input_usd": price.input_usd,
            "output_usd": price.output_usd,
            "context_tokens": price.context_tokens,
        }
        for name, price in sorted(prices.items())  # in one order, so that workers don't deadlock
    ]
    if not rows:
        return
    added = insert(ModelPrice).values(rows)
    names = ("input_usd", "output_usd", "context_tokens")
    changed = {name: added.excluded[name] for name in names}
    differs = or_(*(getattr(ModelPrice, name) != new for name, new in changed.items()))
    session.execute(
        added.on_conflict_do_update(
            index_elements=["name"],
            set_={**changed, "updated_at": func.clock_timestamp()},
            where=differs,
        )
    )


def prices_of(session: Session) -> dict[str, Price]:
    """The stored prices, by the model's name."""
    columns = (ModelPrice.input_usd, ModelPrice.output_usd, ModelPrice.context_tokens)
    found = session.execute(select(ModelPrice.name, *columns))
    return {row[0]: Price(*row[1:]) for row in found}
