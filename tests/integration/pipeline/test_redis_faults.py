"""A Redis that is up but can't serve, and foreign messages in its queues."""

from collections.abc import Callable, Iterator, Mapping

import pytest
from redis import Redis

from app.ops.readiness import check_redis
from config.settings import get_settings
from config.unreadable_messages import UNREADABLE_KEY
from tasks.celery import app
from tasks.worker.reconciler import broker_answers

from .conftest import SetVariables, Submit, finished, read

pytestmark = pytest.mark.usefixtures("workers")

Until = Callable[..., None]


@pytest.fixture(autouse=True)
def soon(variables: SetVariables) -> None:
    """A job that could not be published is found after 3 s instead of 30."""
    variables(QUEUE_LEASE_S="3")


@pytest.fixture
def redis(backends: Mapping[str, str]) -> Iterator[Redis]:
    with Redis.from_url(backends["REDIS_URL"], decode_responses=True) as client:
        yield client
        client.execute_command("REPLICAOF", "NO", "ONE")
        client.config_set("maxmemory", 0)
        client.delete(UNREADABLE_KEY)


def pids() -> set[int]:
    """The process ids of both workers, which change when the supervisor restarts one."""
    stats = app.control.inspect(timeout=1).stats() or {}
    return {worker["pid"] for worker in stats.values()}


def test_workers_outlive_a_redis_that_is_a_replica_for_a_while(
    redis: Redis, submit: Submit, until: Until
) -> None:
    until(lambda: len(pids()) == 2)
    before = pids()

    redis.execute_command("REPLICAOF", "127.0.0.1", "9")
    assert check_redis(get_settings()).name == "read_only"
    until(lambda: not broker_answers())
    until(lambda: all("b" not in client["flags"] for client in redis.client_list()))  # none waits
    job_id = submit("hello")  # accepted all the same
    redis.execute_command("REPLICAOF", "NO", "ONE")

    until(lambda: finished(job_id), 60)
    assert read(job_id).status == "completed"
    until(lambda: pids() == before)


def test_workers_outlive_a_redis_whose_memory_is_full(
    redis: Redis, submit: Submit, until: Until
) -> None:
    until(lambda: len(pids()) == 2)
    before = pids()

    redis.config_set("maxmemory", 1)
    assert check_redis(get_settings()).name == "unavailable"
    job_id = submit("hello")
    redis.config_set("maxmemory", 0)

    until(lambda: finished(job_id), 60)
    assert read(job_id).status == "completed"
    until(lambda: pids() == before)


def test_unreadable_entries_are_set_aside_and_the_worker_goes_on(
    redis: Redis, submit: Submit, until: Until
) -> None:
    until(lambda: len(pids()) == 2)
    before = pids()
    rubbish: list[str | bytes] = [
        "not JSON",
        b"\xff\xfe",
        "[]",
        "null",
        "7",
        '{"body": "x"}',
        '{"body": "%", "headers": {}, "properties": {"delivery_tag": "1", "delivery_info": {}, '
        '"body_encoding": "base64"}}',
        '{"body": "[[], {}, {}]", "content-type": "application/json", "content-encoding": "utf-8", '
        '"headers": {"task": "compress", "id": "x"}, "properties": {"priority": "high", '
        '"correlation_id": "x", "delivery_tag": "1", "delivery_info": {"exchange": "", '
        '"routing_key": ""}}}',
        "[" * 100_000,
    ]
    for queue in ("llm", "cpu"):
        redis.lpush(queue, *rubbish)

    job_id = submit("hello")

    until(lambda: finished(job_id), 60)
    assert read(job_id).status == "completed"
    until(lambda: redis.llen(UNREADABLE_KEY) == 2 * len(rubbish))
    assert pids() == before
