"""What users spent in this month before the release that counts all of it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

import models
from models.schema import upgrade
from models.session import get_engine, unit_of_work
from models.users import get_or_create_user

USED = """
INSERT INTO usage_days (user_id, day, model, mind, jobs, input_tokens, output_tokens, tokens_saved,
    paid_duplicates, cost_usd, saved_usd)
VALUES (:user, :day, :model, 'sage', 1, 0, 0, 0, 0, :usd, 0)
"""
KNOWN = "INSERT INTO spend_months VALUES (:user, :month, 0.5, 0.25)"
FOUND = "SELECT month, reserved_usd, settled_usd FROM spend_months WHERE user_id = :user"


@pytest.fixture
def downgrade(backends: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    """`downgrade()`: to the schema of the release before; upgraded again after the test."""
    config = Config()
    config.set_main_option("script_location", str(Path(models.__file__).with_name("migrations")))
    yield lambda: command.downgrade(config, "0020")
    upgrade()


def first_day() -> date:
    return datetime.now(UTC).date().replace(day=1)


def user_who_used(external_id: str) -> str:
    """The id of a user whose jobs have cost 3 dollars in this month, and one in the last."""
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        for model, usd in (("a", 1), ("b", 2)):
            values = {"user": user_id, "day": first_day(), "model": model, "usd": usd}
            session.execute(text(USED), values)
        before = {"day": first_day() - timedelta(days=1), "model": "a", "usd": 1}
        session.execute(text(USED), {"user": user_id, **before})
        return user_id


def months_of(user_id: str) -> list[tuple[object, ...]]:
    with get_engine().connect() as connection:
        return [tuple(row) for row in connection.execute(text(FOUND), {"user": user_id})]


def test_a_user_without_a_budget_has_spent_what_is_in_the_usage(
    downgrade: Callable[[], None], external_id: str
) -> None:
    user_id = user_who_used(external_id)
    downgrade()
    upgrade()
    assert months_of(user_id) == [(first_day(), 0, 3)]


def test_the_month_of_a_user_with_a_budget_stays(
    downgrade: Callable[[], None], external_id: str
) -> None:
    user_id = user_who_used(external_id)
    with unit_of_work() as session:
        session.execute(text(KNOWN), {"user": user_id, "month": first_day()})
    for _ in range(2):
        downgrade()
        upgrade()
    (row,) = months_of(user_id)
    assert [float(str(usd)) for usd in row[1:]] == [0.5, 0.25]
