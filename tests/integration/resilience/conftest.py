"""A Valkey that these tests may kill, and processes that call under its breakers."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from config.settings import get_settings
from deploy.embedded.redis import Redis
from deploy.embedded.supervisor import Supervisor
from tasks.policies import BreakerPolicy
from tasks.resilience.states import BreakerState, breaker_states
from tasks.resilience.store import read

ROOT = Path(__file__).parents[3]
CALLER = Path(__file__).with_name("caller.py")

# How much later than Redis a process may see that a probe is due, since answers take time.
LATE_S = 0.2

Server = tuple[Supervisor, str]


class Process:
    """A caller in a separate process."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.child = subprocess.Popen(
            [sys.executable, str(CALLER)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ready(self) -> "Process":
        assert self.answer() == {"ready": True}
        return self

    def send(self, do: str, **order: Any) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self.child.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.child.stdout is not None
        answer: dict[str, Any] = json.loads(self.child.stdout.readline())
        return answer

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()


class Breaker:
    """A breaker of one test, and the calls of processes under it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.policy: dict[str, Any] = {"failures": 3, "window_s": 60, "reset_s": 60}

    def set(self, **policy: Any) -> None:
        self.policy |= policy
        BreakerPolicy(**self.policy)

    def start(self, process: Process, how: str, count: int = 1) -> None:
        process.send("call", how=how, count=count, name=self.name, policy=self.policy)

    def call(self, process: Process, how: str, count: int = 1) -> dict[str, Any]:
        """Make `count` concurrent calls, and return the outcome."""
        self.start(process, how, count)
        return process.answer()

    def release(self, process: Process, how: str) -> None:
        """End the calls that are held."""
        process.send("release", how=how, name=self.name)
        assert process.answer()["made"] == 1

    def open(self, process: Process) -> None:
        for _ in range(self.policy["failures"]):
            assert self.call(process, "fail")["made"] == 1

    def kept(self) -> BreakerState:
        """Its state in Redis."""
        return next(state for state in breaker_states() if state.name == self.name)


@pytest.fixture(scope="session")
def breaker_server() -> Iterator[Server]:
    """The server's supervisor, and its URL."""
    home = Path(tempfile.mkdtemp(prefix="trimind-tests-", dir="/tmp"))
    with Supervisor(home, lambda name, line: None) as supervisor:
        redis = Redis(home, os.environ, secrets.token_hex(16))
        supervisor.start([redis.service()])
        yield supervisor, redis.url
    shutil.rmtree(home)


@pytest.fixture
def environment(breaker_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The environment of a process that uses this server, also set in this process."""
    monkeypatch.setenv("REDIS_URL", breaker_server[1])
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("SHARED_SECRET", "s" * 32)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    get_settings.cache_clear()
    yield breaker_server
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.fixture
def supervisor(environment: Server) -> Iterator[Supervisor]:
    """Kills and restarts the server, which runs again after the test."""
    yield environment[0]
    if environment[0].pid("redis") is None:
        environment[0].restart("redis")


@pytest.fixture(scope="session")
def pool() -> Iterator[list[Process]]:
    """The live processes that have seen no outage."""
    started: list[Process] = []
    yield started
    for process in started:
        process.kill()


@pytest.fixture
def processes(environment: Server, pool: list[Process]) -> Callable[[int], list[Process]]:
    """`processes(n)`: n processes, shared with other tests, though no breaker is."""

    def take(count: int) -> list[Process]:
        pool[:] = [process for process in pool if process.child.poll() is None]
        made = [Process(dict(os.environ)) for _ in range(count - len(pool))]
        pool.extend(made)
        for process in made:
            process.ready()
        return pool[:count]

    return take


@pytest.fixture
def new_processes(environment: Server) -> Iterator[Callable[[int], list[Process]]]:
    """`new_processes(n)`: n processes for this test alone."""
    with ExitStack() as started:

        def start(count: int) -> list[Process]:
            made = [Process(dict(os.environ)) for _ in range(count)]
            for process in made:
                started.callback(process.kill)
            return [process.ready() for process in made]

        yield start


@pytest.fixture
def breaker() -> Breaker:
    """A breaker that no other test uses."""
    return Breaker(f"test-{secrets.token_hex(4)}")


@pytest.fixture
def is_due(breaker: Breaker) -> Callable[[], bool]:
    """Whether every process knows that a probe is due."""
    return lambda: probe_is_due(breaker.name)


def probe_is_due(name: str) -> bool:
    kept = next(kept for kept in read() if kept.name == name)
    past = kept.now_s - LATE_S
    return (
        kept.due_s is not None
        and kept.due_s <= past
        and (kept.lease_s is None or kept.lease_s <= past)
    )


@pytest.fixture
def hung(supervisor: Supervisor) -> Iterator[None]:
    """Make Redis accept connections without answering."""
    pid = supervisor.pid("redis")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    yield
    os.kill(pid, signal.SIGCONT)
