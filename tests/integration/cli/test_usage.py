"""`trimind usage`."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from app.cli import main
from models.jobs import Job
from models.lifecycle.endings import cancel
from models.session import unit_of_work
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept

from ..budgets import MOST, budgeted, give
from ..commits import unfollowed

pytestmark = pytest.mark.usefixtures("backends")

End = Callable[..., None]


def today() -> str:
    """The current day, which a long run of tests may begin before."""
    return datetime.now(UTC).date().isoformat()


def trimind(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["usage", *arguments])


def shown(*arguments: str) -> Any:
    done = trimind("--json", *arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


@pytest.fixture
def ended() -> End:
    """`ended(external_id, usd)`: a job of this user that has ended, and has cost so much."""

    def end(external_id: str, usd: str, model: str = "openai/a") -> None:
        with unfollowed(), unit_of_work() as session:
            user_id = get_or_create_user(session, external_id)
            job_id = accept(session, Submission(user_id, "Hello")).id
            spent = {"cost_usd": Decimal(usd), "input_tokens": 7, "route": {"model": model}}
            session.execute(update(Job).where(Job.id == job_id).values(**spent))
            assert cancel(session, job_id)

    return end


def test_it_shows_one_user_s_days(ended: End, external_id: str) -> None:
    ended(external_id, "0.5")
    ended(external_id, "0.25", "openai/b")
    ended(f"other-{external_id}", "7")

    report = shown("--user", external_id)
    assert (report["group_by"], report["budget"]) == (["day"], None)
    [row] = report["data"]
    assert (row["user"], row["day"], row["jobs"], row["cost_usd"]) == (None, today(), 2, "0.750000")
    assert report["total"]["input_tokens"] == 14
    models = shown("--user", external_id, "--group-by", "model,mind", "--from", today())["data"]
    assert [(row["model"], row["mind"], row["cost_usd"]) for row in models] == [
        ("openai/a", "sage", "0.500000"),
        ("openai/b", "sage", "0.250000"),
    ]


def test_it_shows_each_user_by_its_name(ended: End, external_id: str) -> None:
    other = f"other-{external_id}"
    ended(external_id, "0.5")
    ended(other, "7")

    costs = {row["user"]: row["cost_usd"] for row in shown()["data"]}
    assert (costs[external_id], costs[other]) == ("0.500000", "7.000000")
    rows = shown("--group-by", "day,user")["data"]
    assert (today(), other) in {(row["day"], row["user"]) for row in rows}


def test_it_is_a_table_with_a_total_and_the_budget(ended: End, external_id: str) -> None:
    with budgeted(Decimal(0)):
        ended(external_id, "0.5", "a\x1b[2Jb")
        give(external_id, MOST)
        done = trimind("--user", external_id, "--group-by", "model,day")

    head, row, total, budget = done.output.splitlines()
    assert head.split()[:4] == ["model", "day", "jobs", "input_tokens"]
    assert row.split()[:4] == ["a\\x1b[2Jb", today(), "1", "7"]
    assert total.split()[:3] == ["total", "1", "7"]
    assert f"${MOST:.6f}; settled $0.500000, reserved $0.000000, left $0.000000" in budget


def test_without_groups_it_is_the_sum(ended: End, external_id: str) -> None:
    ended(external_id, "0.5")
    head, total = trimind("--user", external_id, "--group-by", "").output.splitlines()
    assert (head.split()[0], total.split()[:2]) == ("jobs", ["1", "7"])
    past = trimind("--user", external_id, "--to", "2026-01-31", "--group-by", "").output
    assert past.splitlines()[1].split()[:2] == ["0", "0"]


@pytest.mark.parametrize(
    "wrong",
    [
        ("--from", "yesterday"),
        ("--to", "2026-02-30"),
        ("--to", "9999-12-31"),
        ("--group-by", "day,job"),
        ("--group-by", "day,"),
        ("--from", "2026-02-01", "--to", "2026-01-31"),
    ],
)
def test_a_wrong_option_is_refused(wrong: tuple[str, ...]) -> None:
    assert trimind(*wrong).exit_code == 2


def test_an_unknown_user_is_named(external_id: str) -> None:
    refused = trimind("--user", external_id)
    assert refused.exit_code == 1
    assert f"there is no user {external_id}" in refused.output
