"""A client that submits jobs over HTTP and records what it was promised."""

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import httpx
import psycopg

SUBMITTERS = 4
MANY = 10_000
Going = Callable[[], bool]
LOOK_S = 0.05
SUBMIT_WITHIN_S = 20.0


@dataclass(frozen=True)
class Promise:
    """One submission: its mark, its times, and its answer.

    Without a status there was no answer: the job may exist or not.
    """

    mark: str
    sent_at: float
    answered_at: float
    status: int | None
    job_id: str | None


class Load:
    """Submits jobs from its own threads, with a limit on unfinished ones."""

    def __init__(self, web: str, key: str, database_url: str) -> None:
        self._web = web
        self._headers = {"Authorization": f"Bearer {key}"}
        self._database_url = database_url
        self._lock = threading.Lock()
        self.promises: list[Promise] = []

    def submit(self, client: httpx.Client, mark: str | None = None, **headers: str) -> Promise:
        """Submit one job and record the outcome."""
        mark = mark or secrets.token_hex(8)
        sent_at, status, job_id = time.time(), None, None
        try:
            reply = client.post(
                f"{self._web}/v1/jobs",
                json={"message": f"Please consider [#{mark}] and answer."},
                headers=self._headers | headers,
            )
            status = reply.status_code
            job_id = reply.json()["id"] if status == 202 else None
        except httpx.HTTPError:
            pass
        promise = Promise(mark, sent_at, time.time(), status, job_id)
        with self._lock:
            self.promises.append(promise)
        return promise

    def run(
        self,
        jobs: int,
        in_flight: int = MANY,
        going: Going = lambda: False,
        rest_s: float = 0,
    ) -> None:
        """Submit this many jobs, and more while `going`, from a few threads.

        At most `in_flight` are unfinished at a time; threads pause for `rest_s` after each job.
        """
        gate = _Gate(self._database_url, in_flight)
        order = count()

        def some() -> None:
            with httpx.Client(timeout=SUBMIT_WITHIN_S) as client:
                while (must := next(order) < jobs) or going():
                    if gate.wait(lambda: must or going()):
                        self.submit(client)
                        time.sleep(rest_s)

        with ThreadPoolExecutor(SUBMITTERS) as pool:
            for done in [pool.submit(some) for _ in range(SUBMITTERS)]:
                done.result()
        gate.close()

    @contextmanager
    def running(self, in_flight: int = MANY, jobs: int = 0, rest_s: float = 0) -> Iterator[None]:
        """Submit jobs in the background until the block ends, `jobs` at least."""
        ended = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(self.run, jobs, in_flight, lambda: not ended.is_set(), rest_s)
            try:
                yield
            finally:
                ended.set()
            done.result()

    @property
    def accepted(self) -> list[Promise]:
        """The promises that were answered 202."""
        with self._lock:
            return [promise for promise in self.promises if promise.status == 202]

    @property
    def marks(self) -> Iterable[str]:
        """The marks of everything that was sent."""
        with self._lock:
            return [promise.mark for promise in self.promises]


class _Gate:
    """Pauses submitters while too many jobs are unfinished, except while the database is down."""

    def __init__(self, database_url: str, in_flight: int) -> None:
        self._database_url = database_url
        self._in_flight = in_flight
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[tuple[int]] | None = None
        self._room = 0

    def wait(self, wanted: Going) -> bool:
        """Wait until there is room. False: the load was stopped."""
        with self._lock:
            while self._room < 1:
                if not wanted():
                    return False
                room = self._in_flight - self._unfinished()
                # Several at a time, so that the database is not queried before each one.
                self._room = room if room >= self._in_flight // 5 else 0
                if self._room < 1:
                    time.sleep(LOOK_S)
            self._room -= 1
            return True

    def _unfinished(self) -> int:
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self._database_url, autocommit=True)
            query = "SELECT count(*) FROM jobs WHERE slot IS NOT NULL"
            row = self._connection.execute(query).fetchone()
            return row[0] if row else 0
        except psycopg.Error:
            self._connection = None
            time.sleep(LOOK_S)
            return self._in_flight * 4 // 5

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
