"""The fleet's counts in a real Redis: each increment once, whatever becomes of Redis."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from config.redis import redis_client
from config.settings import get_settings
from tasks.metrics.counts import Counter, take_counts
from tasks.metrics.fleet import Reporter, fleet_counts
from tasks.metrics.gauges import Gauge, read_gauges

from ...chaos.proxy import Proxy
from .conftest import Server, Supervisor

COUNTER = Counter("of_this_test", "Things.", kind=None)
SERIES = ("of_this_test", "a")


@pytest.fixture(autouse=True)
def emptied(environment: Server) -> None:
    take_counts()
    redis_client().flushdb()


@pytest.fixture
def proxied(environment: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy between this process and Redis."""
    url = environment[1]
    target = redis_client().connection_pool.connection_kwargs
    with Proxy(target.get("path") or int(target["port"])) as proxy:
        password = urlsplit(url).password
        monkeypatch.setenv("REDIS_URL", f"redis://:{password}@127.0.0.1:{proxy.port}/0")
        get_settings.cache_clear()
        yield proxy


def total() -> float:
    return fleet_counts().sums.get(SERIES, 0)


def report(reporter: Reporter, times: int = 1) -> None:
    for _ in range(times):
        COUNTER.add("a")
    reporter.report()


def test_the_counts_of_all_processes_are_added_up() -> None:
    first, second = Reporter(), Reporter()
    report(first)
    report(second, 2)
    report(first, 3)
    assert total() == 6


def test_another_installation_on_the_same_redis_has_counts_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report(Reporter())
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/another")
    get_settings.cache_clear()
    assert total() == 0


def test_what_is_counted_while_redis_is_unavailable_is_added_later(
    supervisor: Supervisor,
) -> None:
    reporter = Reporter()
    supervisor.kill("redis")
    for _ in range(2):
        with pytest.raises(redis.RedisError):
            report(reporter, 2)
    supervisor.restart("redis")
    report(reporter)
    assert total() == 5


def test_a_report_whose_reply_was_lost_counts_once(proxied: Proxy) -> None:
    reporter = Reporter()
    report(reporter)
    proxied.lose_responses(1)
    with pytest.raises(redis.RedisError):
        report(reporter, 4)
    assert proxied.lost == 1
    assert total() == 5  # it was added, though the process does not know

    reporter.report()
    assert total() == 5
    report(reporter)
    assert total() == 6


def test_an_emptied_redis_begins_at_zero_again() -> None:
    reporter = Reporter()
    report(reporter, 7)
    redis_client().flushdb()
    report(reporter)
    assert total() == 1


def test_a_process_that_has_ended_has_no_gauges() -> None:
    gauge = Gauge("of_this_test", "Things.", "kind")
    gauge.follow(lambda: 4, "a")
    assert read_gauges()[SERIES] == 4
    first, second = Reporter(), Reporter()
    for each in (first, second):
        report(each)
    assert [state.gauges[SERIES] for state in fleet_counts().processes] == [4, 4]

    first.leave()

    assert len(fleet_counts().processes) == 1
    assert total() == 2


def test_a_process_that_was_killed_has_no_gauges_soon() -> None:
    killed, alive = Reporter(), Reporter()
    report(killed)
    client: Any = redis_client()
    [key] = client.keys("*:alive")
    [member] = client.zrange(key, 0, -1)
    client.zadd(key, {member: time.time() - 20})  # as after 20 s

    report(alive)

    assert len(fleet_counts().processes) == 1
