"""Streams of the real server over connections that break, and while the web process is killed."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from trimind import AsyncClient, Client, Event, Job

from ...chaos.proxy import Proxy
from ...chaos.stack import Stack

QUESTION = "Please consider the river and answer."
OFTEN = 8  # events

Break = Callable[[], None]


def read_sync(url: str, key: str, break_off: Break) -> tuple[Job, list[Event]]:
    events = []
    with Client(url, key) as client:
        for event in client.follow(client.submit(QUESTION)["id"]):
            events.append(event)
            if len(events) % OFTEN == 0:
                break_off()
        return client.job(events[0]["job_id"]), events


def read_async(url: str, key: str, break_off: Break) -> tuple[Job, list[Event]]:
    async def read() -> tuple[Job, list[Event]]:
        events = []
        async with AsyncClient(url, key) as client:
            job = await client.submit(QUESTION)
            async for event in client.follow(job["id"]):
                events.append(event)
                if len(events) % OFTEN == 0:
                    await asyncio.to_thread(break_off)
            return await client.job(job["id"]), events

    return asyncio.run(read())


Read = Callable[[str, str, Break], tuple[Job, list[Event]]]


@pytest.fixture(params=[read_sync, read_async], ids=["sync", "async"])
def read(request: pytest.FixtureRequest, slowly: None) -> Read:
    chosen: Read = request.param
    return chosen


def assert_whole(job: Job, events: list[Event]) -> None:
    """Nothing is missing and nothing is there twice."""
    numbers = [event["sequence_number"] for event in events]
    assert all(first < second for first, second in pairwise(numbers))
    text = ""
    for event in events:
        if event["type"] in ("job.snapshot", "job.restarted"):
            text = event.get("text", "")
        elif event["type"] == "job.delta":
            text += event["text"]
    assert (job["status"], text) == ("completed", job["output"])
    assert events[-1]["job"] == job


def test_a_stream_whose_connection_breaks_again_and_again_is_whole(
    read: Read, stack: Stack, proxy: Proxy
) -> None:
    job, events = read(f"http://127.0.0.1:{proxy.port}", stack.key, proxy.reset)
    assert len(events) > OFTEN
    assert_whole(job, events)


def test_a_stream_survives_a_web_process_that_is_killed(read: Read, stack: Stack) -> None:
    kills = iter([stack.kill_web])
    job, events = read(stack.web, stack.key, lambda: next(kills, lambda: None)())
    assert next(kills, None) is None
    assert_whole(job, events)
