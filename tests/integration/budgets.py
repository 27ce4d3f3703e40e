"""A process whose users have a budget, and what is used of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import select, text

from config.minds import get_minds
from config.settings import get_settings
from models.known_limits import known_limits
from models.limits import change_limits
from models.prices import Price, store_prices
from models.session import unit_of_work
from models.spend_months import SpendMonth
from models.users import User, get_or_create_user

LIMIT = Decimal(1)
# An input token costs nothing, so that a job costs at most MAX_TOKENS times this; and a
# classification by the same model 60 times.
EACH = Decimal("0.0001")
MAX_TOKENS = 100
MOST = (MAX_TOKENS + 60) * EACH


@contextmanager
def budgeted(limit: Decimal = LIMIT) -> Iterator[None]:
    """Every user has this budget, and every model the same price."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables(limit).items():
            patch.setenv(name, value)
        _forget()
        store()
        yield
    _forget()


def variables(limit: Decimal = LIMIT) -> dict[str, str]:
    """The variables of such a process."""
    key = {"OPENAI_API_KEY": "a-key", "MAX_TOKENS": str(MAX_TOKENS)}
    return {"SPEND_LIMIT_USD": str(limit), **key}


def store() -> None:
    """Store the prices, as a worker does."""
    minds = get_minds()
    names = {model for route in minds.routes.values() for model in route} | {*minds.intent_models}
    with unit_of_work() as session:
        store_prices(session, dict.fromkeys(names, Price(Decimal(0), EACH, 100_000)))


def give(external_id: str, usd: Decimal | None) -> None:
    """Give the user a budget of his own; 0: none; None: as all have. Other processes know within
    seconds."""
    with unit_of_work() as session:
        change_limits(session, get_or_create_user(session, external_id), {"spend_usd": usd})
    known_limits.cache_clear()


def used(external_id: str) -> tuple[Decimal | int, Decimal | int] | None:
    """What the user's jobs of this month have reserved, and what has been settled; None: nothing
    is known of them."""
    with unit_of_work() as session:
        user = select(User.id).where(User.external_id == external_id).scalar_subquery()
        sums = select(SpendMonth.reserved_usd, SpendMonth.settled_usd)
        row = session.execute(sums.where(SpendMonth.user_id == user)).one_or_none()
        return (row[0], row[1]) if row else None


def months(external_id: str) -> dict[date, tuple[Decimal | int, Decimal | int]]:
    """The same for each month."""
    with unit_of_work() as session:
        rows = session.execute(
            text(
                "SELECT month, reserved_usd, settled_usd FROM spend_months JOIN users"
                " ON users.id = user_id WHERE external_id = :user"
            ),
            {"user": external_id},
        )
        return {row[0]: (row[1], row[2]) for row in rows}


def _forget() -> None:
    get_settings.cache_clear()
    get_minds.cache_clear()
