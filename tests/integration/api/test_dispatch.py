"""The message that a chain is published as."""

import json
import secrets
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import redis
from celery import chain, signature

from models.jobs import STAGES
from tasks.celery import app
from tasks.jobs.dispatch import publish_chain

Published = Callable[[str], dict[str, Any]]


@pytest.fixture
def published(backends: Mapping[str, str]) -> Iterator[Published]:
    """`published(queue)`: the message of this queue, with its body decoded."""
    queues = []
    with redis.Redis.from_url(app.conf.broker_url) as client:

        def read(queue: str) -> dict[str, Any]:
            queues.append(queue)
            raw = client.lindex(queue, 0)
            assert isinstance(raw, bytes)
            message: dict[str, Any] = json.loads(raw)
            return message | {"body": json.loads(b64decode(message["body"]))}

        yield read
        client.delete(*queues)


def by_celery(stage: str, queue: str, *, long: bool) -> None:
    """Publish a job's chain as Celery's canvas does."""
    rest = STAGES[STAGES.index(stage) :]
    signatures = [
        signature(
            name,
            args=("job_01", 7),
            immutable=True,
            app=app,
            queue="cpu" if name == "compress" and long else "llm",
            task_id=f"job_01.7.{name}",
        )
        for name in rest
    ]
    chain(*signatures, app=app).apply_async(queue=queue)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("long", [False, True])
def test_the_message_is_the_one_that_a_canvas_publishes(
    published: Published, stage: str, long: bool
) -> None:
    ours, canvas = (f"nobody-{secrets.token_hex(4)}" for _ in range(2))
    publish_chain("job_01", 7, stage, long=long, queue=ours)
    by_celery(stage, canvas, long=long)

    messages = [published(queue) for queue in (ours, canvas)]
    for message, queue in zip(messages, (ours, canvas), strict=True):
        assert message["properties"].pop("delivery_tag")
        assert message["properties"]["delivery_info"].pop("routing_key") == queue
    assert messages[0] == messages[1]
    assert messages[0]["headers"]["id"] == f"job_01.7.{stage}"
    rest = list(STAGES[STAGES.index(stage) + 1 :])
    assert [later["task"] for later in messages[0]["body"][2]["chain"] or []] == rest[::-1]
