"""The control arm: the same kills and the same flush against a plain Celery chain.

If it lost nothing under the flush, our own test would prove nothing. Under kills it may lose or
duplicate jobs, which is reported.
"""

import os
import secrets
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from celery import Celery, chain

from deploy.embedded.backends import Backends

from ..forks import ForkServer
from .profiles import Profile
from .report import Report
from .waiting import TooLate, wait_for
from .workers import Fleet, Worker, fork_server

APP = "tests.chaos.control.app"
COMMAND = ["python", "-m", "celery", "--quiet", "--app", APP]
COMMAND += ["worker", "--pool", "threads", "--concurrency", "6"]
COMMAND += ["--without-gossip", "--without-mingle", "--loglevel", "INFO"]
STAGES = ("intent", "compress", "generate", "persist")
VISIBILITY_S = 2
KILL_EVERY_S = 3.0


class Control:
    """A Redis, a fleet, and a log of completed jobs."""

    def __init__(
        self, home: Path, backends: Backends, forkserver: ForkServer, environ: dict[str, str]
    ):
        self._home = home
        self.url = backends.environment()["REDIS_URL"]
        self.done = home / "done"
        self.done.touch()
        self.sent: list[str] = []
        self._app = Celery("client", broker=self.url)
        told = environ | {
            "REDIS_URL": self.url,
            "DONE_FILE": str(self.done),
            "VISIBILITY_S": str(VISIBILITY_S),
            "CALL_S": "0.4",
        }
        self.fleet = Fleet(
            [
                Worker(f"c{n}", forkserver, told, home, [*COMMAND, "--hostname", f"c{n}@%h"])
                for n in range(3)
            ]
        )

    def submit(self, jobs: int) -> None:
        """Publish the chains of this many jobs."""
        for _ in range(jobs):
            mark = secrets.token_hex(8)
            first, *rest = (self._app.signature(f"{APP}.{stage}") for stage in STAGES)
            chain(first.clone(args=(mark,)), *rest).apply_async()
            self.sent.append(mark)

    def ended(self) -> Counter[str]:
        """How often each job was completed."""
        return Counter(self.done.read_text().split())

    def counts(self) -> dict[str, int]:
        """The figures for the report, once nothing happens any more."""
        # A dead worker's message is redelivered after its visibility timeout: wait for four.
        seen = -1
        while seen != (seen := sum(self.ended().values())):
            try:
                wait_for(lambda: sum(self.ended().values()) > seen, 4 * VISIBILITY_S, "more")
            except TooLate:
                break
        ended = self.ended()
        return {
            "accepted": len(self.sent),
            "completed": len(ended),
            "lost": len(self.sent) - len(ended),
            "doubled": sum(times > 1 for times in ended.values()),
        }


@pytest.fixture
def control() -> Iterator[Control]:
    home = Path(tempfile.mkdtemp(prefix="trimind-control-", dir="/tmp"))
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environ = kept | {"PYTHONPATH": str(Path(__file__).parents[2])}
    # Redis alone: nothing here uses a database or a model.
    needless = {"DATABASE_URL": "postgresql://nowhere/none", "OPENAI_API_KEY": "none"}
    with Backends(home, needless) as backends:
        forkserver = fork_server()
        forkserver.wait_until_ready()
        made = Control(home, backends, forkserver, environ)
        try:
            made.fleet.start()
            yield made
        finally:
            made.fleet.stop()
    shutil.rmtree(home)


def test_a_plain_chain_loses_jobs_under_a_flush(
    control: Control, profile: Profile, report: Report
) -> None:
    control.submit(profile.jobs)
    wait_for(control.ended, 30, "a first job to be done")
    control._app.connection().default_channel.client.flushall()
    counts = control.counts()
    report.add("control: Redis flushed", counts)
    assert counts["lost"] > 0, "the control arm lost nothing: the flush is too weak a test"


def test_what_a_plain_chain_loses_under_kills_is_reported(
    control: Control, rng: Random, profile: Profile, report: Report
) -> None:
    kills = 0
    control.submit(profile.jobs)
    while kills < profile.kills:
        control.submit(profile.in_flight // 2)
        threading.Event().wait(KILL_EVERY_S * rng.uniform(0.8, 1.2))
        victim = rng.choice(control.fleet.workers)
        if victim.ready():
            victim.kill()
            kills += 1
    counts = control.counts()
    report.add("control: a worker killed every 3 s", counts, kills=kills)
    assert counts["completed"] > 0
