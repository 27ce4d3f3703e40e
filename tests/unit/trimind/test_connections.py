"""A client outlives event loops, forks and many streams; what it returns and raises can be
pickled."""

import asyncio
import pickle
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.keeping import Keeping
from trimind import ApiError, AsyncClient, Client, FieldError, Page, TimedOut, Unreachable

KEY = "tm_secret"
JOB = b'{"id":"job_1","status":"completed"}'
# It keeps the connection.
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(JOB), JOB)
STREAM = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.fixture
def keeping() -> Iterator[Keeping]:
    server = Keeping(ANSWER)
    yield server
    server.close()


def test_an_asynchronous_client_is_used_by_one_event_loop_after_another(keeping: Keeping) -> None:
    client = AsyncClient(keeping.url, KEY, retries=0)

    async def ask_twice() -> None:
        for _ in range(2):
            await client.job("job_1")

    for _ in range(3):
        asyncio.run(ask_twice())
    asyncio.run(client.close())
    assert keeping.requests == [1, 1, 2, 2, 3, 3]


def test_as_many_streams_are_followed_as_there_are(keeping: Keeping) -> None:
    keeping.answer = STREAM

    async def follow(client: AsyncClient, number: int) -> None:
        async for _ in client.follow(f"job_{number}"):
            raise AssertionError("nothing is sent")

    async def follow_all(number: int) -> None:
        async with AsyncClient(keeping.url, KEY, retries=0, timeout_s=5) as client:
            tasks = [asyncio.create_task(follow(client, each)) for each in range(number)]
            while len(keeping.requests) < number:
                await asyncio.sleep(0.01)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(follow_all(150))


@pytest.mark.parametrize(
    "error",
    [
        ApiError(
            429,
            "too_many_requests",
            "Too many.",
            request_id="req_1",
            errors=(FieldError("a", "b", "c"),),
            retry_after=3.0,
        ),
        Unreachable("gone", passing=True),
        TimedOut("late"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_pickled_as_it_is(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_a_page_is_pickled_as_it_is() -> None:
    page = pickle.loads(pickle.dumps(Page([JOB], has_more=True, last_id="job_1")))
    assert (page, page.has_more, page.last_id) == ([JOB], True, "job_1")


def test_a_stream_that_nobody_reads_on_is_closed(keeping: Keeping) -> None:
    keeping.answer = STREAM + b'data: {"type": "job.created"}\n\n'

    async def read_one() -> AsyncIterator[object]:
        async with AsyncClient(keeping.url, KEY, retries=0) as client:
            stream = client.follow("job_1")
            yield await anext(stream)

    async def main() -> list[object]:
        return [event async for event in read_one()]

    assert len(asyncio.run(main())) == 1
    with Client(keeping.url, KEY, retries=0) as client:
        assert next(client.follow("job_1")) == {"type": "job.created"}
