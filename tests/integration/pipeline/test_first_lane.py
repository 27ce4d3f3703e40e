"""While a worker takes no messages, it takes those of the first lane."""

from collections.abc import Callable, Iterator, Mapping
from queue import Queue
from secrets import token_hex
from threading import Event

import pytest
from redis import Redis

from models.jobs import BULK, CROWDED, FIRST
from tasks.celery import app
from tasks.worker.first_lane import MOST, FirstLane, Message
from tests.chaos.waiting import wait_for

WITHIN_S = 10


@pytest.fixture
def queue() -> str:
    return f"test-{token_hex(8)}"


@pytest.fixture
def redis(backends: Mapping[str, str], queue: str) -> Iterator[Redis]:
    with Redis.from_url(backends["REDIS_URL"]) as client:
        yield client
        client.delete(*client.keys(f"{queue}*"), queue)


class Worker:
    """A worker that takes no messages itself while it is `full`, and counts the looks at that."""

    def __init__(self) -> None:
        self.full = Event()
        self.looks = 0
        self.started: Queue[tuple[str, Callable[[], None]]] = Queue()
        self.first_lane = FirstLane(self.is_full, self.run)

    def is_full(self) -> bool:
        """Whether it is."""
        self.looks += 1
        return self.full.is_set()

    def run(self, message: Message, done: Callable[[], None]) -> None:
        """Note that a message has started."""
        self.started.put((message["headers"]["id"], done))

    def fill(self) -> None:
        """Take no more messages itself."""
        self.full.set()
        self.first_lane.wake()

    def next(self) -> tuple[str, Callable[[], None]]:
        """The next message that has started."""
        return self.started.get(timeout=WITHIN_S)


@pytest.fixture
def worker(queue: str) -> Iterator[Worker]:
    made = Worker()
    made.first_lane.start([queue])
    yield made
    made.first_lane.stop()


def publish(queue: str, name: str, lane: int) -> None:
    with app.connection_for_write() as connection, connection.Producer() as producer:
        producer.publish({}, routing_key=queue, headers={"id": name}, priority=lane)


def waiting(redis: Redis, queue: str) -> int:
    return sum(int(redis.llen(key)) for key in redis.keys(f"{queue}*"))


def test_only_messages_of_the_first_lane_are_taken(
    redis: Redis, queue: str, worker: Worker
) -> None:
    for name, of in (("bulk", BULK), ("crowded", CROWDED), ("first", FIRST)):
        publish(queue, name, of)
    worker.fill()
    name, done = worker.next()
    done()
    publish(queue, "second", FIRST)
    assert (name, worker.next()[0]) == ("first", "second")
    assert waiting(redis, queue) == 2


def test_none_is_taken_while_the_worker_takes_messages_itself(
    redis: Redis, queue: str, worker: Worker
) -> None:
    publish(queue, "before", FIRST)
    looks = worker.looks
    worker.first_lane.wake()
    # One before it tries, one then, and one after that.
    wait_for(lambda: worker.looks >= looks + 2, WITHIN_S, "a look")
    assert waiting(redis, queue) == 1
    worker.fill()
    assert worker.next()[0] == "before"


def test_only_so_many_run_beyond_what_the_worker_works_on(
    redis: Redis, queue: str, worker: Worker
) -> None:
    names = [str(number) for number in range(3 * MOST)]
    for name in names:
        publish(queue, name, FIRST)
    worker.fill()
    taken: list[str] = []
    while len(taken) < len(names):
        running = [worker.next() for _ in range(MOST)]
        assert worker.started.empty()
        for name, done in running:
            taken.append(name)
            done()
    assert taken == names
    assert waiting(redis, queue) == 0
