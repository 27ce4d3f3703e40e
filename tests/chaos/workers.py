"""Workers that can be killed, stopped and restarted, each in its own process group."""

import atexit
import json
import os
import shlex
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from deploy.embedded.procfile import read_procfile, without_exec
from deploy.embedded.sessions import Identity

from ..forks import ForkServer
from .waiting import wait_for

ROOT = Path(__file__).parents[2]


# Nothing of ours: each worker imports Trimind with the environment of its order.
LIBRARIES = (
    "celery.bin.celery",
    "celery.bin.worker",
    "celery.concurrency.thread",
    "celery.worker.worker",
    "kombu.transport.redis",
    "litellm.llms.custom_httpx.http_handler",
    "psycopg",
    "pybreaker",
    "pydantic_settings",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.orm",
    "structlog",
    "tenacity",
)


@cache
def fork_server() -> ForkServer:
    """What all workers of this process are forked from, whatever their stack: it takes seconds to
    import."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER")
    made = ForkServer(LIBRARIES, {name: os.environ[name] for name in kept if name in os.environ})
    atexit.register(made.close)
    return made


class Worker:
    """One worker, by the Procfile's command; a restarted process keeps the name."""

    def __init__(
        self,
        name: str,
        forkserver: ForkServer,
        environ: Mapping[str, str],
        folder: Path,
        argv: list[str] | None = None,
        namespaces: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.environ = dict(environ)
        self._forkserver = forkserver
        self._folder = folder
        self._argv = argv or command(name)
        self._namespaces = namespaces
        self._lives = 0
        self.identity: Identity | None = None
        self.wanted = False

    def start(self, **more: str) -> "Worker":
        """Start a process, with `more` added to its environment."""
        assert not self.alive()
        self._lives += 1
        self.wanted = True
        environ = self.environ | more
        order = (self._argv, environ, self.log, None, self._namespaces)
        self.identity = Identity.of(self._forkserver.fork(*order).pid)
        return self

    @property
    def log(self) -> Path:
        """The output of its current process."""
        return self._folder / f"{self.name}.{self._lives}.log"

    def alive(self) -> bool:
        """Whether its process exists, running or stopped."""
        return self.identity is not None and self.identity.alive()

    def ready(self) -> bool:
        """Whether it consumes from its queue."""
        return self.alive() and self.log.exists() and " ready." in self.log.read_text()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its whole process group."""
        if self.identity is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.identity.pid, number)

    def kill(self) -> set[str]:
        """Kill its process group; returns the jobs that it was working on."""
        identity, log = self.identity, self.log
        self.signal(signal.SIGKILL)
        wait_for(lambda: identity is None or not identity.alive(), 10, f"{self.name} to be dead")
        return {job_id for job_id, _ in in_hand(log)}

    def lines(self) -> Iterator[dict[str, Any]]:
        """The log entries of all its processes, oldest first; `at` is a Unix time."""
        for life in range(1, self._lives + 1):
            log = self._folder / f"{self.name}.{life}.log"
            for text in log.read_text().splitlines() if log.exists() else ():
                with suppress(ValueError):
                    line = json.loads(text)
                    line["at"] = datetime.fromisoformat(line["timestamp"]).timestamp()
                    yield line


ENDS = {"stage finished", "message dropped", "stage waits", "job failed", "result adopted"}


def in_hand(log: Path) -> set[tuple[str, str]]:
    """The (job, stage) pairs that a process has begun but not finished, from its log."""
    begun: set[tuple[str, str]] = set()
    for text in log.read_text().splitlines() if log.exists() else ():
        with suppress(ValueError):
            line = json.loads(text)
            key = (line.get("job_id", ""), line.get("stage", ""))
            if line["event"] == "stage started":
                begun.add(key)
            elif line["event"] in ENDS:
                begun.discard(key)
    return begun


class Fleet:
    """Several workers, which are restarted when they die."""

    def __init__(self, workers: list[Worker]) -> None:
        self.workers = workers
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self) -> None:
        """Start all workers, and restart those that die."""
        for worker in self.workers:
            worker.start()
        self._keeper.start()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until every worker consumes from its queue."""
        for worker in self.workers:
            wait_for(worker.ready, 60, f"{worker.name} to be ready")

    def stop(self) -> None:
        """Kill all workers."""
        self._ended.set()
        self._keeper.join()
        for worker in self.workers:
            worker.wanted = False
            worker.signal(signal.SIGKILL)

    def _keep(self) -> None:
        while not self._ended.wait(0.2):
            for worker in self.workers:
                if worker.wanted and not worker.alive():
                    time.sleep(0.2)
                    worker.start()


def command(name: str) -> list[str]:
    """The Procfile's worker command, with another host name."""
    text = without_exec(read_procfile(ROOT / "Procfile")["worker"])
    return [*shlex.split(text), "--hostname", f"{name}@%h"]
