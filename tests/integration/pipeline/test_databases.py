"""A worker whose database is behind a pooler, or read-only for a while."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from deploy.embedded.ports import free_port
from deploy.embedded.procfile import read_procfile, shell_command
from models.jobs import Job
from models.session import get_engine, unit_of_work
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept
from tests.chaos.stack import KEY, MINDS
from tests.conftest import wait_until
from tests.integration.pooler import pooled

from .conftest import finished, read

ROOT = Path(__file__).parents[3]
PROVIDER = ROOT / "tests/chaos/provider.py"
Quietly = Callable[[Mapping[str, str]], Any]


class Provider:
    """A provider that misbehaves on request and records its calls."""

    def __init__(self, url: str) -> None:
        self.url = url

    def set_faults(self, **faults: object) -> None:
        httpx.put(f"{self.url}/faults", json=faults, timeout=10, trust_env=False)

    def calls(self, mark: str) -> list[dict[str, Any]]:
        found = httpx.get(f"{self.url}/calls", timeout=10, trust_env=False).json()
        return [call for call in found if call["mark"] == mark]

    def is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/calls", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    port = free_port()
    process = subprocess.Popen([sys.executable, str(PROVIDER), str(port)])
    provider = Provider(f"http://127.0.0.1:{port}")
    wait_until(provider.is_up)
    yield provider
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def alone(backends: Mapping[str, str], quietly: Quietly) -> Iterator[Mapping[str, str]]:
    """A database without another worker."""
    with quietly(backends) as environment:
        yield environment


@pytest.fixture(scope="module")
def worker(
    alone: Mapping[str, str], provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[subprocess.Popen[bytes]]:
    """The Procfile's worker, behind a PgBouncer in transaction mode with two server connections."""
    folder = tmp_path_factory.mktemp("pooled")
    (folder / "minds.toml").write_text(
        MINDS.replace('"one"', '"sage"').replace("minds.one", "minds.sage")  # our own default
    )
    command = read_procfile(ROOT / "Procfile")["worker"].replace("llm@%h", "llm@pooled")
    with pooled(alone["DATABASE_URL"], size=2) as url, (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            shell_command(command),
            cwd=ROOT,
            env={
                **alone,
                **KEY,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "DATABASE_URL": url,
                "REDIS_URL": alone["REDIS_URL"].rpartition("/")[0] + "/9",
                "OPENAI_API_BASE": f"{provider.url}/v1",
                "MINDS_FILE": str(folder / "minds.toml"),
                "WORKER_THREADS": "8",
                "RECONCILE_EVERY_S": "0.2",
            },
            stderr=log,
        )
        wait_until(lambda: b"ready." in (folder / "log").read_bytes(), 120)
        yield process
        process.terminate()
        process.wait(30)


@pytest.fixture
def submit(external_id: str) -> Callable[[], tuple[str, str]]:
    """`submit()`: the id and mark of a job that the worker's reconciler finds."""

    def do() -> tuple[str, str]:
        mark = secrets.token_hex(8)
        with unit_of_work() as session:
            user = get_or_create_user(session, external_id)
            job = accept(session, Submission(user, f"Hello [#{mark}]"))
            due = update(Job).where(Job.id == job.id).values(queue_lease_until=Job.created_at)
            session.execute(due)
            return job.id, mark

    return do


@contextmanager
def read_only() -> Iterator[None]:
    """Make the server read-only, open connections included, as after a failover."""
    _set_read_only("on")
    try:
        yield
    finally:
        _set_read_only("off")


def _set_read_only(state: str) -> None:
    engine = get_engine().execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("SET default_transaction_read_only = off")
        connection.exec_driver_sql(f"ALTER SYSTEM SET default_transaction_read_only = {state}")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    get_engine().dispose()


def test_a_worker_answers_jobs_behind_a_pooler_in_transaction_mode(
    worker: subprocess.Popen[bytes],
    provider: Provider,
    submit: Callable[[], tuple[str, str]],
    until: Callable[..., None],
) -> None:
    made = [submit() for _ in range(20)]

    for job_id, mark in made:
        until(lambda job_id=job_id: finished(job_id), 60)
        assert read(job_id).status == "completed"
        assert len(provider.calls(mark)) == 1


def test_no_answer_is_paid_twice_for_a_server_that_turns_read_only_meanwhile(
    worker: subprocess.Popen[bytes],
    provider: Provider,
    submit: Callable[[], tuple[str, str]],
    until: Callable[..., None],
) -> None:
    provider.set_faults(latency_s=[2, 2])
    made = [submit() for _ in range(4)]
    until(lambda: all(provider.calls(mark) for _, mark in made))

    with read_only():
        until(lambda: all(provider.calls(mark)[0]["whole"] for _, mark in made))
        assert worker.poll() is None
    provider.set_faults()

    for job_id, mark in made:
        until(lambda job_id=job_id: finished(job_id), 60)
        job = read(job_id)
        assert (job.status, job.paid_duplicates) == ("completed", 0)
        assert len(provider.calls(mark)) == 1
