"""Fault 11: a worker dies between the commit of an end, the sending of its event, and what follows.

Each end is sent at least once, and always under the same id.
"""

import base64
import json
import secrets
from collections import defaultdict
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from standardwebhooks import Webhook as Verifier

from ..integration.receiver import Receiver, receiving
from .stack import Stack
from .waiting import wait_for

POINTS = ("before_publish", "before_send", "after_send", "after_store", "before_ack", "after_ack")
EVENTS = ["job.completed", "job.failed", "job.cancelled", "job.expired"]
JOBS_AT_EACH = 3
# The lease of an attempt, and some looks of the reconciler.
PATIENCE_S = 150
ALLOWED = {"WEBHOOK_ALLOW_PRIVATE": "on", "WORKER_THREADS": "4"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def secret(idle_stack: Stack, receiver: Receiver) -> Iterator[bytes]:
    """The secret of a webhook of the load's user, which is added without the code under test."""
    made, of_user = secrets.token_bytes(32), "SELECT id FROM users WHERE external_id = 'chaos'"
    row = ("hook_00000000000000000000000000", receiver.url, EVENTS, made)
    with psycopg.connect(idle_stack.database_url, autocommit=True) as database:
        database.execute(
            "INSERT INTO webhooks (id, user_id, url, events, secret)"
            f" VALUES (%s, ({of_user}), %s, %s, %s)",
            row,
        )
        yield made
        database.execute("DELETE FROM webhooks WHERE id = %s", row[:1])


def submit(stack: Stack) -> str:
    headers = {"Authorization": f"Bearer {stack.key}"}
    accepted = httpx.post(
        f"{stack.web}/v1/jobs", json={"message": "Hello"}, headers=headers, timeout=30
    )
    assert accepted.status_code == 202, accepted.text
    return str(accepted.json()["id"])


def ids_by_job(receiver: Receiver, secret: bytes) -> dict[str, list[str]]:
    """The ids under which each job's end was received; all of it is signed."""
    verifier, found = Verifier(base64.b64encode(secret).decode()), defaultdict[str, list[str]](list)
    for request in list(receiver.requests):
        verifier.verify(request.body, request.headers)
        found[json.loads(request.body)["data"]["id"]].append(request.headers["webhook-id"])
    return found


def test_an_event_is_sent_at_least_once_under_one_id(
    idle_stack: Stack, receiver: Receiver, secret: bytes
) -> None:
    stack, jobs = idle_stack, list[str]()
    for point in POINTS:
        once = stack.home / f"crashed-at-deliver-{point}"
        crash = {"CRASH_AT": f"deliver.{point}", "CRASH_ONCE": str(once)}
        worker = stack.worker(**ALLOWED, **crash).start()
        jobs += [submit(stack) for _ in range(JOBS_AT_EACH)]
        wait_for(lambda: not worker.alive(), 120, f"a death at {point}")  # noqa: B023 (at once)
        assert once.exists(), f"it ended before {point}: {worker.log.read_text()}"
    survivors = stack.fleet(1, **ALLOWED)
    survivors.start()
    try:
        wait_for(
            lambda: ids_by_job(receiver, secret).keys() >= set(jobs), PATIENCE_S, "every event"
        )
        wait_for(lambda: unfinished(stack) == 0, PATIENCE_S, "every delivery to end")
    finally:
        survivors.stop()
    found = ids_by_job(receiver, secret)
    assert {job_id: set(ids) for job_id, ids in found.items()} == {
        job_id: {job_id.replace("job_", "evt_")} for job_id in jobs
    }
    assert max(map(len, found.values())) > 1, "no event was sent again: no death was in between"


def unfinished(stack: Stack) -> int:
    with psycopg.connect(stack.database_url) as database:
        row = database.execute(
            "SELECT count(*) FROM webhook_deliveries WHERE status <> 'delivered'"
        ).fetchone()
    assert row is not None
    return int(row[0])
