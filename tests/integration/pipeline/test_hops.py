"""A worker that serves the next stage's queue goes on with it, without the broker."""

import time
from collections.abc import Mapping
from typing import Any

import pytest
import redis
from celery.events.receiver import EventReceiver

from models.jobs import STAGES
from models.lifecycle.endings import cancel
from models.session import unit_of_work
from tasks.celery import app

from .conftest import Submit, finished, read
from .going_on import hop_after

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


def test_a_worker_that_goes_on_begins_each_stage_with_the_checkpoint_before(
    submit: Submit, until: Any
) -> None:
    job_id = submit("Hello!")
    until(lambda: finished(job_id))
    job = read(job_id)
    assert (job.status, job.starts, job.epoch) == ("completed", 4, 1)
    records = [job.record(stage) for stage in STAGES]
    assert [record.status for record in records] == ["completed", "skipped", *["completed"] * 2]
    steps = [n for record in records for n in (record.began, record.ended) if n is not None]
    assert len(steps) == 2 * len(STAGES)
    assert steps == sorted(steps)


def test_a_stage_that_was_begun_but_can_t_be_delivered_goes_on_as_a_message(
    accept: Submit, until: Any
) -> None:
    job_id = accept("Hello!")
    hop = hop_after(job_id, "intent")
    assert hop is not None
    assert hop.handover is not None
    job = read(job_id)
    assert (job.stage, job.slot) == ("generate", "running")
    hop.publish()
    until(lambda: finished(job_id))
    job = read(job_id)
    assert (job.status, job.epoch, job.paid_duplicates) == ("completed", 1, 0)
    assert job.record("compress").reason == "short"


def test_a_job_that_ended_on_its_way_is_not_published(
    accept: Submit, environment: Mapping[str, str]
) -> None:
    broker = redis.Redis.from_url(environment["REDIS_URL"])
    job_id = accept("Hello!")
    hop = hop_after(job_id, "intent")
    assert hop is not None
    with unit_of_work() as session:
        assert cancel(session, job_id)
    before = pushed(broker)
    hop.publish()
    assert (read(job_id).status, pushed(broker)) == ("cancelled", before)


def ended(job_id: str) -> tuple[str, str]:
    return LIFE[-1], f"{job_id}.1.persist"


def told(seen: list[dict[str, Any]], job_id: str) -> list[tuple[str, str]]:
    tasks = [event for event in seen if event.get("uuid", "").startswith(job_id)]
    return [(event["type"], event["uuid"]) for event in tasks if event["type"] in LIFE]


def pushed(broker: redis.Redis) -> int:
    """How many messages were put into queues so far."""
    return int(broker.info("commandstats").get("cmdstat_lpush", {}).get("calls", 0))
