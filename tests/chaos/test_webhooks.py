"""Fault 11: a worker dies between the commit of an end, the sending of its event, and what follows.

Each end is sent at least once, and always under the same id.
"""

import base64
import json
import secrets
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress

import httpx
import psycopg
import pytest
from standardwebhooks import Webhook as Verifier

from app.auth.bearer import USER_HEADER

from ..integration.receiver import Receiver, receiving
from .stack import Stack
from .waiting import TooLate, wait_for

POINTS = ("before_publish", "before_send", "after_send", "after_store", "before_ack", "after_ack")
EVENTS = ["job.completed", "job.failed", "job.cancelled", "job.expired"]
# After so long without a death, each user sends another job.
REST_S = 3.0
DIE_WITHIN_S = 120
# Some leases, and some looks of the reconciler.
PATIENCE_S = 60
ALLOWED = {"WEBHOOK_ALLOW_PRIVATE": "on", "WORKER_THREADS": "4"}
# One for each point: an attempt whose worker has died keeps the others of its user waiting.
USERS = [f"hooked-{point}" for point in POINTS]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def secret(idle_stack: Stack, receiver: Receiver) -> Iterator[bytes]:
    """The secret of each user's webhook; both are added without the code under test."""
    made = secrets.token_bytes(32)
    with psycopg.connect(idle_stack.database_url, autocommit=True) as database:
        for number, name in enumerate(USERS):
            user_id = f"user_{number:026}"
            database.execute("INSERT INTO users (id, external_id) VALUES (%s, %s)", (user_id, name))
            database.execute(
                "INSERT INTO webhooks (id, user_id, url, events, secret)"
                " VALUES (%s, %s, %s, %s, %s)",
                (f"hook_{number:026}", user_id, receiver.url, EVENTS, made),
            )
        yield made
        database.execute("DELETE FROM webhooks")


def submit(stack: Stack, user: str) -> str:
    headers = {"Authorization": f"Bearer {stack.environ['SHARED_SECRET']}", USER_HEADER: user}
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


class Armed:
    """A worker that dies at one point of a delivery."""

    def __init__(self, stack: Stack, point: str) -> None:
        self.point = point
        self._once = stack.home / f"crashed-at-deliver-{point}"
        crash = {"CRASH_AT": f"deliver.{point}", "CRASH_ONCE": str(self._once)}
        self._worker = stack.worker(**ALLOWED, **crash).start()

    def alive(self) -> bool:
        """Whether it has not died yet."""
        alive = self._worker.alive()
        log = self._worker.log
        assert alive or self._once.exists(), f"ended before {self.point}: {log.read_text()}"
        return alive


def die_at_each_point(stack: Stack) -> list[str]:
    """Let a worker die at each point of a delivery; returns the jobs that they were given."""
    armed, jobs = [Armed(stack, point) for point in POINTS], list[str]()
    end = time.monotonic() + DIE_WITHIN_S
    while alive := [one.point for one in armed if one.alive()]:
        assert time.monotonic() < end, f"no death at {alive}"
        jobs += [submit(stack, user) for user in USERS]

        def dies(before: int = len(alive)) -> bool:
            return sum(one.alive() for one in armed) < before

        with suppress(TooLate):
            wait_for(dies, REST_S, "a death")
    return jobs


def test_an_event_is_sent_at_least_once_under_one_id(
    idle_stack: Stack, receiver: Receiver, secret: bytes
) -> None:
    stack = idle_stack
    jobs = die_at_each_point(stack)
    assert expire_leases(stack) >= 2, "no worker died before and after it had sent"
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


def expire_leases(stack: Stack) -> int:
    """Let the leases of the dead workers' attempts end now, and not in a minute; returns how many
    there were."""
    query = "UPDATE webhook_deliveries SET next_attempt_at = now() WHERE token IS NOT NULL"
    with psycopg.connect(stack.database_url) as database:
        return database.execute(query).rowcount


def unfinished(stack: Stack) -> int:
    with psycopg.connect(stack.database_url) as database:
        row = database.execute(
            "SELECT count(*) FROM webhook_deliveries WHERE status <> 'delivered'"
        ).fetchone()
    assert row is not None
    return int(row[0])
