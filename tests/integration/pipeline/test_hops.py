"""A worker that serves the next stage's queue goes on with it, without the broker."""

import time
from collections.abc import Mapping
from typing import Any

import pytest
import redis
from celery.events.receiver import EventReceiver

from models.jobs import STAGES
from tasks.celery import app

from .conftest import Submit, finished, read

pytestmark = pytest.mark.usefixtures("workers")

LIFE = ("task-received", "task-started", "task-succeeded")
WITHIN_S = 60


def test_each_stage_is_a_task_of_its_own_to_those_who_watch(submit: Submit) -> None:
    seen: list[dict[str, Any]] = []
    with app.connection_for_read() as connection:
        receiver = EventReceiver(connection, handlers={"*": seen.append}, app=app)
        with receiver.consumer_context() as (listening, *_):
            while not seen:  # a worker's heartbeat: it is subscribed
                listening.drain_events(timeout=WITHIN_S)
            job_id = submit("Hello!")
            until = time.monotonic() + WITHIN_S
            while ended(job_id) not in told(seen, job_id) and time.monotonic() < until:
                listening.drain_events(timeout=WITHIN_S)

    tasks = [f"{job_id}.1.{stage}" for stage in STAGES]
    assert told(seen, job_id) == [(kind, task) for task in tasks for kind in LIFE]
    received = [event for event in seen if event["type"] == LIFE[0] and event["uuid"] in tasks]
    assert [event["parent_id"] for event in received] == [None, *tasks[:-1]]
    assert {event["root_id"] for event in received} == {tasks[0]}
    assert {event["hostname"].partition("@")[0] for event in received} == {"llm"}


def test_a_short_message_costs_one_message_of_the_broker(
    submit: Submit, environment: Mapping[str, str], until: Any
) -> None:
    broker = redis.Redis.from_url(environment["REDIS_URL"])
    before = pushed(broker)
    job_id = submit("Hello!")
    until(lambda: finished(job_id))
    assert read(job_id).status == "completed"
    assert pushed(broker) - before == 1


def ended(job_id: str) -> tuple[str, str]:
    return LIFE[-1], f"{job_id}.1.persist"


def told(seen: list[dict[str, Any]], job_id: str) -> list[tuple[str, str]]:
    tasks = [event for event in seen if event.get("uuid", "").startswith(job_id)]
    return [(event["type"], event["uuid"]) for event in tasks if event["type"] in LIFE]


def pushed(broker: redis.Redis) -> int:
    """How many messages were put into queues so far."""
    return int(broker.info("commandstats").get("cmdstat_lpush", {}).get("calls", 0))
