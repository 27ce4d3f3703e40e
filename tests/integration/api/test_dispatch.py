"""The message that a chain is published as."""

import json
import secrets
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import redis

from models.jobs import STAGES
from tests.fresh_python import run

Message = dict[str, Any]
CASES = [(stage, long) for stage in STAGES for long in (False, True)]
# Publishes to queues of these names as we do, and as Celery's canvas does. In a process of its own,
# which has no task, like a web process: with one, a canvas adds the limits that its worker knows.
PUBLISH = """
from celery import chain, signature
from models.jobs import STAGES
from tasks.celery import app
from tasks.jobs.dispatch import publish_chain

def by_canvas(stage, long, queue):
    queues = [(name, "cpu" if name == "compress" and long else "llm") for name in STAGES]
    chain(
        *(
            signature(
                name, ("job_01", 7), immutable=True, app=app, queue=its, task_id="job_01.7." + name
            )
            for name, its in queues[STAGES.index(stage):]
        ),
        app=app,
    ).apply_async(queue=queue)

for stage, long, ours, canvas in {cases}:
    publish_chain("job_01", 7, stage, long=long, queue=ours)
    by_canvas(stage, long, canvas)
"""


@pytest.fixture(scope="module")
def published(backends: Mapping[str, str]) -> Iterator[dict[tuple[str, bool], list[Message]]]:
    """By stage and length: our message and the canvas's, each with its body decoded."""
    cases = [(stage, long, new_queue(), new_queue()) for stage, long in CASES]
    run(PUBLISH.format(cases=cases), env=backends, check=True)
    queues = [queue for *_, ours, canvas in cases for queue in (ours, canvas)]
    with redis.Redis.from_url(backends["REDIS_URL"]) as client:
        yield {
            (stage, long): [message_of(client, queue) for queue in (ours, canvas)]
            for stage, long, ours, canvas in cases
        }
        client.delete(*queues)


def new_queue() -> str:
    """The name of a queue that no worker serves."""
    return f"nobody-{secrets.token_hex(4)}"


def message_of(client: redis.Redis, queue: str) -> Message:
    """The message of a queue, without what differs between any two."""
    raw = client.lindex(queue, 0)
    assert isinstance(raw, bytes)
    message: Message = json.loads(raw)
    assert message["properties"].pop("delivery_tag")
    assert message["properties"]["delivery_info"].pop("routing_key") == queue
    return message | {"body": json.loads(b64decode(message["body"]))}


@pytest.mark.parametrize(("stage", "long"), CASES)
def test_the_message_is_the_one_that_a_canvas_publishes(
    published: dict[tuple[str, bool], list[Message]], stage: str, long: bool
) -> None:
    ours, canvas = published[stage, long]
    assert ours["headers"].pop("headers") == {}
    assert ours == canvas
    assert ours["headers"]["id"] == f"job_01.7.{stage}"
    rest = list(STAGES[STAGES.index(stage) + 1 :])
    assert [later["task"] for later in ours["body"][2]["chain"] or []] == rest[::-1]
