"""A user's budget with the real web and a worker: what is settled is what the receipts say."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from ...chaos.stack import Stack

Until = Callable[..., None]
# It dies as its transaction has committed, before anything is published.
ACCEPTS = """
import os, sys
from models.lifecycle.after_commit import register_after_commit
from models.session import unit_of_work
from models.users import find_user
from tasks.jobs.submission import Submission, accept

register_after_commit(lambda committed: os._exit(137))
with unit_of_work() as session:
    user_id = find_user(session.connection(), "{user}")
    job = accept(session, Submission(user_id, "Please consider the river and answer."))
    print(job.id, job.reserved_usd, flush=True)
"""
NOTHING = "0.000000"


@pytest.fixture
def user(stack: Stack, external_id: str, until: Until) -> Iterator[httpx.Client]:
    """A client of a user with a budget."""
    key = stack.trimind("key", "create", "--user", external_id).strip()
    stack.trimind("user", "limits", external_id, "--spend-usd", "1")
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=stack.web, headers=headers, timeout=30) as client:
        until(lambda: budget(client) and priced(stack))
        yield client


def priced(stack: Stack) -> bool:
    """Whether the worker has stored the price of the stack's model."""
    with psycopg.connect(stack.database_url) as connection:
        found = connection.execute("SELECT FROM model_prices WHERE name = 'openai/gpt-4o-mini'")
        return found.rowcount == 1


def budget(client: httpx.Client) -> Any:
    return client.get("/v1/usage").raise_for_status().json()["budget"]


def receipt(client: httpx.Client, job_id: str) -> Any:
    """What the job has cost, if it is completed."""
    job = client.get(f"/v1/jobs/{job_id}").raise_for_status().json()
    return job["usage"]["cost_usd"] if job["status"] == "completed" else None


def settles(client: httpx.Client, job_id: str, until: Until) -> None:
    """The job is answered, and its cost is all that is used of the budget."""
    until(lambda: receipt(client, job_id), 60)
    cost, after = receipt(client, job_id), budget(client)
    assert float(cost) > 0
    assert (after["settled_usd"], after["reserved_usd"]) == (cost, NOTHING)
    total = client.get("/v1/usage").json()["total"]
    assert (total["jobs"], total["cost_usd"]) == (1, cost)


def test_a_job_s_cost_replaces_its_reservation(user: httpx.Client, until: Until) -> None:
    before = budget(user)
    assert (before["settled_usd"], before["left_usd"]) == (NOTHING, "1.000000")
    accepted = user.post("/v1/jobs", json={"message": "Please consider the river and answer."})
    assert accepted.status_code == 202
    settles(user, accepted.json()["id"], until)


def test_a_process_that_dies_before_it_publishes_loses_neither_job_nor_reservation(
    stack: Stack,
    user: httpx.Client,
    until: Until,
    external_id: str,
    fresh_python: Callable[..., Any],
) -> None:
    dead = fresh_python(ACCEPTS.format(user=external_id), env=stack.environ)
    assert dead.returncode == 137, dead.stderr
    job_id, reserved = dead.stdout.split()
    assert float(reserved) > 0
    settles(user, job_id, until)
