"""`trimind prune` deletes what is old, in batches, beside what goes on."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select, text, update

from app.cli import main
from models.conversations import Conversation
from models.ids import first_id_at, new_id
from models.jobs import Job
from models.lifecycle.endings import cancel
from models.session import unit_of_work
from models.usage import add_ended
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept

from ..commits import unfollowed

AGE = timedelta(days=40)
OLD = 110  # more than a batch


@pytest.fixture(autouse=True)
def quiet(backends: Mapping[str, str]) -> Iterator[None]:
    with unfollowed():
        yield


@pytest.fixture
def jobs(external_id: str) -> list[str]:
    """Jobs that ended 40 days ago, then one that ended now, and one that has not."""
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        made = [accept(session, Submission(user_id, "Hello")).id for _ in range(OLD + 2)]
    for job_id in made[:-1]:
        with unit_of_work() as session:
            assert cancel(session, job_id)
    with unit_of_work() as session:
        while add_ended(session, timedelta(0)):
            pass
    with unit_of_work() as session:
        old = update(Job).where(Job.id.in_(made[:OLD]))
        session.execute(old.values(completed_at=func.now() - AGE))
    return made


@pytest.fixture
def conversation_id(external_id: str) -> str:
    """A conversation without jobs that nobody has touched for 40 days."""
    old_id = first_id_at("conv", datetime.now(UTC) - AGE)[:-8] + new_id("conv")[-8:]
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        touched = {"updated_at": func.now() - AGE, "on_busy": "enqueue"}
        session.add(Conversation(id=old_id, user_id=user_id, **touched))
    return old_id


def trimind(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, ["prune", *arguments], input=answer)


def left_of(jobs: list[str]) -> set[str]:
    with unit_of_work() as session:
        return set(session.scalars(select(Job.id).where(Job.id.in_(jobs))))


def is_there(conversation_id: str) -> bool:
    with unit_of_work() as session:
        return session.get(Conversation, conversation_id) is not None


def test_what_is_old_is_deleted_and_the_rest_stays(jobs: list[str], conversation_id: str) -> None:
    done = trimind("--older-than", "30", "--yes", "--json")

    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["older_than_days"], told["dry_run"], told["left"]) == (30, False, 0)
    assert told["jobs"] >= OLD
    assert told["conversations"] >= 1
    assert left_of(jobs) == set(jobs[OLD:])
    assert not is_there(conversation_id)


def test_a_dry_run_counts_and_deletes_nothing(jobs: list[str], conversation_id: str) -> None:
    would = json.loads(trimind("--older-than", "30", "--dry-run", "--json").stdout)
    assert left_of(jobs) == set(jobs)
    assert is_there(conversation_id)

    does = json.loads(trimind("--older-than", "30", "--yes", "--json").stdout)

    assert would == {**does, "dry_run": True}
    assert trimind("--older-than", "30", "--dry-run").stdout == (
        "0 jobs and 0 conversations would be deleted.\n"
    )


def test_what_is_younger_than_the_days_stays(jobs: list[str], conversation_id: str) -> None:
    assert trimind("--older-than", "41", "--yes").exit_code == 0
    assert left_of(jobs) == set(jobs)
    assert is_there(conversation_id)


def test_a_locked_conversation_stops_nothing_and_is_named_as_left(jobs: list[str]) -> None:
    lock = "SELECT FROM conversations c JOIN jobs j ON j.conversation_id = c.id"
    with unit_of_work() as session:
        session.execute(text(f"{lock} WHERE j.id = :id FOR UPDATE OF c"), {"id": jobs[0]})
        done = trimind("--older-than", "30", "--yes")
    assert (done.exit_code, done.stderr) == (1, "1 old jobs are left: run it again in a minute.\n")
    assert left_of(jobs) == {jobs[0], *jobs[OLD:]}

    assert trimind("--older-than", "30", "--yes").exit_code == 0

    assert left_of(jobs) == set(jobs[OLD:])


def test_it_asks_first(jobs: list[str]) -> None:
    refused = trimind("--older-than", "30", answer="n\n")
    assert refused.exit_code == 1
    assert "for good?" in refused.stderr
    assert left_of(jobs) == set(jobs)


@pytest.mark.parametrize("days", ["0", "-1", "36501", "1.5", "a month"])
def test_days_that_are_none_are_refused(days: str) -> None:
    refused = trimind("--older-than", days, "--yes")
    assert refused.exit_code == 2
    assert "--older-than" in refused.stderr
