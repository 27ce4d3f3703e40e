"""`trimind jobs`: everybody's jobs, as the database has them."""

import json
from collections.abc import Iterator, Mapping

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text, update

from app.cli import main
from models.jobs import Job
from models.session import unit_of_work
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept

from ..commits import unfollowed

CANARY = "canary-of-a-prompt"


@pytest.fixture(autouse=True)
def quiet(backends: Mapping[str, str]) -> Iterator[None]:
    with unfollowed():
        yield


@pytest.fixture
def job_id(external_id: str) -> str:
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        return accept(session, Submission(user_id, CANARY)).id


def trimind(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["jobs", *arguments])


def job(job_id: str) -> Job:
    with unit_of_work() as session:
        return session.get_one(Job, job_id)


def test_it_lists_the_jobs_of_a_user_and_those_of_a_status(job_id: str, external_id: str) -> None:
    listed = json.loads(trimind("list", "--of", external_id, "--json").stdout)
    assert [(each["id"], each["user"], each["slot"]) for each in listed] == [
        (job_id, external_id, "queued")
    ]
    assert job_id in trimind("list", "--status", "queued").stdout
    assert job_id not in trimind("list", "--status", "failed", "--limit", "10000").stdout
    assert trimind("list", "--of", "nobody-has-this-name").stdout == ""


def test_it_shows_where_a_job_is_and_nothing_that_was_said_in_it(job_id: str) -> None:
    found = json.loads(trimind("show", job_id, "--json").stdout)
    assert (found["stage"], found["epoch"], found["queue_lease_s"]) == ("intent", 1, 30)
    told = trimind("show", job_id)
    assert "queue_lease_until" in told.stdout
    assert CANARY not in told.stdout + json.dumps(found)


def test_it_cancels_jobs_and_says_of_each_what_became_of_it(job_id: str) -> None:
    done = trimind("cancel", job_id, "job_nothing", "--json")
    assert done.exit_code == 1
    assert [each["ok"] for each in json.loads(done.stdout)] == [True, False]
    assert job(job_id).status == "cancelled"

    again = trimind("cancel", job_id)
    assert (again.exit_code, again.stderr) == (1, f"{job_id}: It has ended: cancelled.\n")


def test_it_makes_a_queued_job_due_at_once(job_id: str) -> None:
    done = trimind("redispatch", job_id)
    assert (done.exit_code, done.stdout) == (0, f"{job_id}: to be dispatched\n")
    with unit_of_work() as session:
        is_due = text("SELECT queue_lease_until <= now() FROM jobs WHERE id = :id")
        assert session.scalar(is_due, {"id": job_id})


def test_it_leaves_a_running_job_to_its_lease(job_id: str) -> None:
    with unit_of_work() as session:
        running = "slot = 'running', run_token = gen_random_uuid(), lease_until = now()"
        session.execute(text(f"UPDATE jobs SET {running} WHERE id = :id"), {"id": job_id})
    refused = trimind("redispatch", job_id)
    assert refused.exit_code == 1
    assert "it is running" in refused.stderr
    with unit_of_work() as session:
        queued = {"slot": "queued", "run_token": None, "lease_until": None}
        session.execute(update(Job).where(Job.id == job_id).values(**queued))


def test_what_it_does_not_know_it_says(backends: Mapping[str, str]) -> None:
    shown = trimind("show", "job_nothing")
    assert (shown.exit_code, shown.stderr) == (1, "Error: there is no job job_nothing\n")
    assert trimind("redispatch", "job_nothing").exit_code == 1
