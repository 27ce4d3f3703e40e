"""The message that a chain is published as."""

import json
import secrets
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import redis
from kombu.entity import Queue

from deploy.embedded.ports import free_port
from models.jobs import BULK, CROWDED, FIRST, STAGES
from tasks.celery import app
from tasks.jobs.dispatch import publish_chain
from tests.fresh_python import run

Message = dict[str, Any]
Case = tuple[str, bool, int]
CASES = [
    (stage, long, lane) for stage in STAGES for long in (False, True) for lane in (FIRST, BULK)
]
# Publishes to queues of these names as we do, and as Celery's canvas does. In a process of its own,
# which has no task, like a web process: with one, a canvas adds the limits that its worker knows.
PUBLISH = """
from celery import chain, signature
from models.jobs import STAGES
from tasks.celery import app
from tasks.jobs.dispatch import publish_chain

def by_canvas(stage, long, lane, queue):
    queues = [(name, "cpu" if name == "compress" and long else "llm") for name in STAGES]
    chain(
        *(
            signature(
                name, ("job_01", 7), immutable=True, app=app, queue=its, task_id="job_01.7." + name,
                **({{"priority": lane}} if lane else {{}})
            )
            for name, its in queues[STAGES.index(stage):]
        ),
        app=app,
    ).apply_async(queue=queue)

for stage, long, lane, ours, canvas in {cases}:
    publish_chain("job_01", 7, stage, long=long, lane=lane, queue=ours)
    by_canvas(stage, long, lane, canvas)
"""

TOGETHER = """
from config.logging import begin_logging
begin_logging()
from models.lifecycle.after_commit import PendingDispatch
from tasks.jobs.dispatch import dispatch_together

dispatch_together([PendingDispatch(f"job_{number}", 1, "intent", "Hi", 0) for number in range(2)])
"""


@pytest.fixture(scope="module")
def published(backends: Mapping[str, str]) -> Iterator[dict[Case, list[Message]]]:
    """By stage, length and lane: our message and the canvas's, each with its body decoded."""
    cases = [(*case, new_queue(), new_queue()) for case in CASES]
    run(PUBLISH.format(cases=cases), env=backends, check=True)
    queues = [queue for *_, ours, canvas in cases for queue in (ours, canvas)]
    with redis.Redis.from_url(backends["REDIS_URL"]) as client:
        yield {
            (stage, long, lane): [message_of(client, queue, lane) for queue in (ours, canvas)]
            for stage, long, lane, ours, canvas in cases
        }
        client.delete(*(in_lane(queue, lane) for queue in queues for lane in (FIRST, BULK)))


def new_queue() -> str:
    """The name of a queue that no worker serves."""
    return f"nobody-{secrets.token_hex(4)}"


def in_lane(queue: str, lane: int) -> str:
    """The list of Redis that has the messages of this lane."""
    return f"{queue}\x06\x16{lane}" if lane else queue


def message_of(client: redis.Redis, queue: str, lane: int) -> Message:
    """The message of a queue, without what differs between any two."""
    raw = client.lindex(in_lane(queue, lane), 0)
    assert isinstance(raw, bytes)
    message: Message = json.loads(raw)
    assert message["properties"].pop("delivery_tag")
    assert message["properties"]["delivery_info"].pop("routing_key") == queue
    return message | {"body": json.loads(b64decode(message["body"]))}


@pytest.mark.parametrize(("stage", "long", "lane"), CASES)
def test_the_message_is_the_one_that_a_canvas_publishes(
    published: dict[Case, list[Message]], stage: str, long: bool, lane: int
) -> None:
    ours, canvas = published[stage, long, lane]
    assert ours["headers"].pop("headers") == {}
    assert ours == canvas
    assert ours["headers"]["id"] == f"job_01.7.{stage}"
    rest = list(STAGES[STAGES.index(stage) + 1 :])
    assert [later["task"] for later in ours["body"][2]["chain"] or []] == rest[::-1]


def test_an_unavailable_broker_is_one_outage_for_all_that_is_published_together(
    backends: Mapping[str, str],
) -> None:
    environ = dict(backends) | {"BROKER_URL": f"redis://127.0.0.1:{free_port()}"}
    done = run(TOGETHER, env=environ)
    assert (done.stdout.count("broker unavailable"), done.returncode) == (1, 0), done.stderr


def test_a_worker_takes_the_first_lane_first_and_bulk_jobs_last(
    backends: Mapping[str, str],
) -> None:
    queue = new_queue()
    for lane in (BULK, CROWDED, FIRST, BULK, FIRST):
        publish_chain(f"job_{lane}", 1, "persist", long=False, lane=lane, queue=queue)
    with app.connection_for_read() as connection:
        bound = Queue(queue)(connection.default_channel)
        taken = [bound.get(no_ack=True).headers["id"].partition(".")[0] for _ in range(5)]
    assert taken == ["job_0", "job_0", "job_3", "job_6", "job_6"]
