"""Messages of a release with the schema 0012 are understood by this release's workers, and are what
this release publishes: so that release's workers understand these.

`messages_of_0012.json` was recorded from Redis, as that release published them.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis
from sqlalchemy import text

from models.session import unit_of_work
from tasks.jobs.dispatch import publish_chain

from .conftest import Submit, finished, read

RECORDED: Final = json.loads(Path(__file__).with_name("messages_of_0012.json").read_text())
JOB: Final = "job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"
# They differ from message to message, and from process to process.
OWN: Final = {"origin", "reply_to", "delivery_tag"}


def decoded(message: str) -> dict[str, Any]:
    """A message with its body, which is JSON too."""
    entry: dict[str, Any] = json.loads(message)
    entry["body"] = json.loads(b64decode(entry["body"]))
    return entry


def encoded(entry: Mapping[str, Any]) -> str:
    body = b64encode(json.dumps(entry["body"]).encode()).decode()
    return json.dumps({**entry, "body": body})


def alike(value: Any) -> Any:
    """A message without what is its own."""
    if isinstance(value, dict):
        return {name: alike(each) for name, each in value.items() if name not in OWN}
    return [alike(each) for each in value] if isinstance(value, list) else value


@pytest.mark.usefixtures("workers")
def test_a_worker_runs_a_job_by_a_message_of_that_release(
    accept: Submit, until: Any, backends: Mapping[str, str]
) -> None:
    job_id = accept("What is the capital of France?")
    with unit_of_work() as session:
        # No reconciler publishes it.
        later = "queue_lease_until = now() + interval '1 h'"
        session.execute(text(f"UPDATE jobs SET {later} WHERE id = :id"), {"id": job_id})
    queue, message = RECORDED["short"]["queue"], RECORDED["short"]["message"]
    theirs = encoded(json.loads(json.dumps(decoded(message)).replace(JOB, job_id)))

    with Redis.from_url(backends["REDIS_URL"]) as redis:
        redis.lpush(queue, theirs)
    until(lambda: finished(job_id))

    assert (read(job_id).status, read(job_id).epoch) == ("completed", 1)


@pytest.mark.parametrize(
    ("name", "stage", "long"),
    [
        ("short", "intent", False),
        ("long", "intent", True),
        ("later", "generate", False),
        ("cpu", "compress", True),
    ],
)
def test_this_release_publishes_what_that_one_did(
    backends: Mapping[str, str], name: str, stage: str, long: bool
) -> None:
    with Redis.from_url(backends["REDIS_URL"]) as redis:
        publish_chain(JOB, 1, stage, long=long, queue="of-no-worker")
        ours = redis.rpop("of-no-worker")
    assert isinstance(ours, bytes)
    theirs = decoded(RECORDED[name]["message"])
    routed = theirs["properties"]["delivery_info"]
    assert routed["routing_key"] == RECORDED[name]["queue"]
    routed["routing_key"] = "of-no-worker"
    assert alike(decoded(ours.decode())) == alike(theirs)
