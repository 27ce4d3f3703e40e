"""How many streams one user may have open at all web processes together."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from redis import Redis

from app.limits.streams import LEASES, OF_USER, SharedStreams

Until = Callable[..., None]
Make = Callable[..., SharedStreams]
SHORT_S = 0.5
LONG_S = 600


@pytest.fixture
def redis(backends: Mapping[str, str]) -> Iterator[Redis]:
    with Redis.from_url(backends["REDIS_URL"]) as client:
        yield client


@pytest.fixture
def process(redis: Redis) -> Make:
    """`process(lease_s)`: the streams of a process that renews no lease by itself soon."""

    def make(lease_s: float = LONG_S) -> SharedStreams:
        return SharedStreams(redis, lease_s)

    return make


def test_processes_share_a_user_s_limit(process: Make, external_id: str) -> None:
    one, other = process(), process()
    assert [one.open(external_id, 3), other.open(external_id, 3)] == [True, True]
    assert [one.open(external_id, 3), other.open(external_id, 3)] == [True, False]
    assert other.open(f"other-{external_id}", 1)


def test_a_closed_stream_makes_room_at_another_process(
    process: Make, external_id: str, until: Until
) -> None:
    one, other = process(), process()
    assert one.open(external_id, 1)
    assert not other.open(external_id, 1)
    one.close(external_id)
    until(lambda: other.open(external_id, 1))


def test_what_is_opened_at_once_does_not_exceed_the_limit(
    process: Make, external_id: str, together: Callable[..., list[object]]
) -> None:
    processes = [process() for _ in range(4)]
    turns = iter(processes * 8)
    opened = together(32, lambda: next(turns).open(external_id, 7))
    assert opened.count(True) == 7


def test_the_streams_of_a_killed_process_expire(
    process: Make, external_id: str, redis: Redis, until: Until
) -> None:
    dead, other = process(SHORT_S), process()
    assert dead.open(external_id, 1)
    dead._loop.stop()
    until(lambda: other.open(external_id, 1))
    assert redis.hlen(OF_USER + external_id) == 1


def test_a_process_that_was_silent_notes_its_streams_again(
    process: Make, external_id: str, redis: Redis, until: Until
) -> None:
    silent, other = process(), process()
    silent._loop.stop()  # before it begins, so that it notes nothing until it is told to
    assert silent.open(external_id, 1)
    redis.delete(LEASES, OF_USER + external_id)  # Redis was emptied, or the lease has ended
    assert other.open(external_id, 1)
    other.close(external_id)
    silent.renew()
    until(lambda: redis.hlen(OF_USER + external_id) == 1)
    assert not other.open(external_id, 1)


def test_figures_that_arrive_late_are_ignored(
    process: Make, external_id: str, until: Until
) -> None:
    one, other = process(), process()
    for _ in range(20):
        assert one.open(external_id, 2)
        assert one.open(external_id, 2)
        one.close(external_id)
        one.close(external_id)
    until(lambda: other.open(external_id, 2) and other.open(external_id, 2))


def test_without_redis_each_process_counts_its_own(external_id: str, dead_address: str) -> None:
    streams = SharedStreams(Redis.from_url(f"redis://{dead_address}"))
    assert [streams.open(external_id, 1) for _ in range(2)] == [True, True]
    streams.close(external_id)


def test_what_is_opened_while_redis_is_not_asked_is_noted_afterwards(
    backends: Mapping[str, str], redis: Redis, external_id: str, until: Until
) -> None:
    impatient = Redis.from_url(backends["REDIS_URL"], socket_timeout=0.2, retry=None)
    streams = SharedStreams(impatient, LONG_S)
    assert streams.open(f"first-{external_id}", 1)  # from now on there is a lease
    redis.client_pause(60_000, all=False)
    try:
        assert streams.open(f"second-{external_id}", 1)
    finally:
        redis.client_unpause()

    assert streams.open(external_id, 1)

    until(lambda: redis.hlen(OF_USER + external_id) == 1)


def events(client: httpx.Client) -> Any:
    """A new stream, as a context."""
    job_id = client.post("/v1/jobs", json={"message": "hello"}).json()["id"]
    return client.stream("GET", f"/v1/jobs/{job_id}/events")


@pytest.mark.no_cover  # what is tested runs in other processes
def test_servers_share_a_user_s_limit_and_a_killed_one_s_streams_expire(
    serve: Callable[..., httpx.Client], servers: list[Any], until: Until
) -> None:
    one, other = (serve(STREAMS_PER_USER="2") for _ in range(2))
    with ExitStack() as streams:
        for client in (one, other):
            assert streams.enter_context(events(client)).status_code == 200
        for client in (one, other):
            with events(client) as refused:
                refused.read()
                assert (refused.status_code, refused.json()["code"]) == (
                    429,
                    "too_many_streams_of_yours",
                )
                assert '"streams";r=0;t=5' in refused.headers["RateLimit"]
                assert "2 open streams and waits; 0 are left" in refused.json()["detail"]

        def opens_at_other() -> bool:
            with events(other) as stream:
                return stream.status_code == 200

        killed = servers.pop(0)
        killed.kill()
        killed.wait()
        until(opens_at_other)


@pytest.mark.no_cover
def test_servers_without_redis_count_their_own(
    serve: Callable[..., httpx.Client], servers: list[Any], dead_address: str
) -> None:
    client = serve(STREAMS_PER_USER="1", REDIS_URL=f"redis://{dead_address}")
    with events(client) as first, events(client) as second:
        assert (first.status_code, second.status_code) == (200, 429)
