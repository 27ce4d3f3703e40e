"""The users' own limits in a process whose pool has one connection."""

import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from ..budgets import budgeted, give, used, variables

# A second connection would never be free, and the user's own limit would stay unknown.
ACCEPTS = """
from models.errors import BudgetExceeded
from models.session import unit_of_work
from models.users import find_user
from tasks.jobs.submission import Submission, accept

with unit_of_work() as session:
    user_id = find_user(session.connection(), "{user}")
    try:
        accept(session, Submission(user_id, "Hello"))
    except BudgetExceeded as error:
        print(error.limit_usd)
"""


@pytest.fixture(autouse=True)
def budget(quiet: None) -> Iterator[None]:
    """Every user of these tests has a budget."""
    with budgeted():
        yield


def test_a_transaction_reads_them_on_its_own_connection(
    external_id: str, fresh_python: Callable[..., Any]
) -> None:
    give(external_id, Decimal("0.000001"))
    environment = {**os.environ, **variables(), "DATABASE_POOL": "1"}
    done = fresh_python(ACCEPTS.format(user=external_id), env=environment)
    assert (done.stdout.strip(), done.stderr) == ("0.000001", "")
    assert used(external_id) == (0, 0)
