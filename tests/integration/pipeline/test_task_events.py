"""Celery's events of tasks are sent in batches, and none is lost."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from celery.events import EventDispatcher
from celery.events.receiver import EventReceiver
from kombu.connection import Connection

from models.lifecycle.fence import Fence
from models.lifecycle.transitions import begin, checkpoint
from models.session import unit_of_work
from models.stage_record import StageRecord
from tasks.celery import app
from tasks.worker.task_events import BatchDispatcher
from tests.conftest import wait_until
from tests.integration.refusing_redis import RefusingRedis, refusing

from .conftest import ROOT, read

WITHIN_S = 10
UNAVAILABLE = "MASTERDOWN Link with MASTER is down"


@pytest.fixture(scope="module")
def redis(backends: Mapping[str, str]) -> Iterator[RefusingRedis]:
    url = urlsplit(backends["REDIS_URL"])
    with refusing(str(url.hostname), int(url.port or 0)) as server:
        yield server


@pytest.fixture
def connect(backends: Mapping[str, str], redis: RefusingRedis) -> Iterator[Callable[[], Any]]:
    """`connect()`: a dispatcher like a worker's, over a connection of its own."""
    url = urlsplit(backends["REDIS_URL"])
    made: list[Connection] = []

    def do() -> BatchDispatcher:
        made.append(app.connection_for_write(f"redis://:{url.password}@127.0.0.1:{redis.port}/11"))
        buffered = {"buffer_group": ["task"], "on_send_buffered": pytest.fail}
        return BatchDispatcher(made[-1], hostname="llm@test", app=app, **buffered)

    yield do
    for connection in made:
        connection.release()


@pytest.fixture
def receive(events: Callable[[int], list[Any]]) -> Callable[[int], list[str]]:
    """`receive(count)`: the tasks of the next events, or the types of those of no task."""
    return lambda count: [event.get("uuid", event["type"]) for event in events(count)]


@pytest.fixture
def events(backends: Mapping[str, str]) -> Iterator[Callable[[int], list[Any]]]:
    """`events(count)`: the next events."""
    url = f"{backends['REDIS_URL'].rpartition('/')[0]}/11"
    seen: list[Any] = []
    heard: list[Any] = []

    with app.connection_for_read(url) as connection:
        handlers = {"worker-online": heard.append, "*": seen.append}
        receiver = EventReceiver(connection, handlers=handlers, app=app)
        with receiver.consumer_context(wakeup=False) as (listening, *_):
            announcing = EventDispatcher(connection, app=app)
            while not heard:
                announcing.send("worker-online")
                with suppress(TimeoutError):
                    listening.drain_events(timeout=0.2)

            def do(count: int) -> list[Any]:
                while len(seen) < count:
                    listening.drain_events(timeout=WITHIN_S)
                taken, seen[:] = seen[:], []
                return taken

            yield do


def send(dispatcher: BatchDispatcher, *tasks: str) -> None:
    for task in tasks:
        dispatcher.send("task-started", uuid=task)


def test_events_of_tasks_wait_for_the_next_batch_and_others_do_not(connect, receive) -> None:
    dispatcher = connect()
    send(dispatcher, "one", "two")
    dispatcher.send("worker-heartbeat", freq=2)
    assert receive(1) == ["worker-heartbeat"]

    dispatcher.flush()
    assert receive(2) == ["one", "two"]


def test_an_event_says_what_celery_says_of_a_task(connect, events) -> None:
    dispatcher = connect()
    before = time.time()
    dispatcher.send("task-received", uuid="one", name="intent", args="('job_01', 1)", kwargs="{}")
    dispatcher.send("task-received", uuid="two", name="other", args="()", kwargs="{'a': 1}")
    dispatcher.flush()

    one, two = events(2)
    assert (one["type"], one["hostname"], one["pid"]) == ("task-received", "llm@test", os.getpid())
    assert before <= one["timestamp"] <= time.time()
    assert one["clock"] < two["clock"]
    assert (one["name"], one["args"], one["kwargs"]) == ("intent", "('job_01', 1)", {})
    assert two["kwargs"] == "{'a': 1}"


def test_what_redis_refuses_is_sent_once_it_accepts_it(connect, receive, redis) -> None:
    dispatcher = connect()
    send(dispatcher, "one")
    with redis.refusing(UNAVAILABLE, "PUBLISH"):
        dispatcher.flush()
        send(dispatcher, "two")
        dispatcher.flush()
    assert redis.refused["PUBLISH"] == 2

    send(dispatcher, "three")
    dispatcher.flush()
    assert receive(3) == ["one", "two", "three"]


def test_a_batch_asks_once_to_be_sent(connect, receive, redis) -> None:
    dispatcher, asked = connect(), []
    send(dispatcher, "one")
    dispatcher.ask(lambda: asked.append("now"))
    send(dispatcher, "two")
    dispatcher.send("worker-heartbeat", freq=2)
    assert asked == ["now"]

    with redis.refusing(UNAVAILABLE, "PUBLISH"):
        dispatcher.flush()
    assert asked == ["now"] * 2

    dispatcher.flush()
    assert receive(3) == ["worker-heartbeat", "one", "two"]
    dispatcher.flush()
    assert asked == ["now"] * 2

    send(dispatcher, "three")
    assert asked == ["now"] * 3

    dispatcher.ask(None)
    dispatcher.flush()
    send(dispatcher, "four")
    assert asked == ["now"] * 3


def test_a_new_connection_takes_over_what_the_lost_one_had(connect, receive) -> None:
    lost, new = connect(), connect()
    send(lost, "one")
    lost.disable()
    lost.flush()

    new.extend_buffer(lost)
    send(new, "two")
    new.flush()
    assert receive(2) == ["one", "two"]


def test_a_worker_that_ends_has_sent_the_events_of_its_last_task(
    receive, worker, environment, accept, until
) -> None:
    job_id = compressing(accept("Hello!"))
    with app.connection_for_write(broker_of(environment)) as broker:
        task_id = f"{job_id}.1.compress"
        app.send_task("compress", (job_id, 1), task_id=task_id, queue="llm", connection=broker)
        until(lambda: read(job_id).stage == "generate")
    worker.terminate()

    assert worker.wait(30) == 0
    assert receive(3)[:3] == [task_id] * 3  # received, started, succeeded


@pytest.fixture
def worker(environment: dict[str, str], tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker that has no stage after compress, with a broker of its own."""
    log = tmp_path / "log"
    command = "--quiet --app tasks.celery worker --pool threads --queues llm --hostname llm@ending"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", *command.split(), "--without-heartbeat"],
            cwd=ROOT,
            env=environment | {"REDIS_URL": broker_of(environment)},
            stderr=file,
        )
    wait_until(lambda: "ready." in log.read_text(), 90)
    yield process
    process.kill()
    process.wait(10)


def broker_of(environment: Mapping[str, str]) -> str:
    return f"{environment['REDIS_URL'].rpartition('/')[0]}/11"


def compressing(job_id: str) -> str:
    """The job, once its intent is there."""
    fence = Fence(job_id, 1, "intent", uuid4())
    with unit_of_work() as session:
        assert begin(session, fence)
        assert checkpoint(session, fence, StageRecord(status="completed"), {})
    return job_id
