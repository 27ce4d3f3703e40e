"""The chain with real parts: database, broker, embedded model, and workers."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from config.minds import BUILT_IN, get_minds
from config.settings import get_settings
from deploy.embedded.backends import Backends
from deploy.embedded.procfile import read_procfile, shell_command
from deploy.embedded.service import Service
from deploy.embedded.supervisor import Supervisor
from models.jobs import Job
from models.lifecycle.endings import cancel_all
from models.lifecycle.track_queue import lock_conversations
from models.session import unit_of_work
from models.users import get_or_create_user
from tasks.celery import app
from tasks.jobs import submission
from tasks.jobs.submission import Submission

from ..commits import followed, unfollowed

ROOT = Path(__file__).parents[3]
# A mind that fails every job: its prompt exceeds the embedded model's context.
WORDY = f"""
[minds.wordy]
title = "The Wordy"
system_prompt = "{"Be brief. " * 2000}"
[minds.wordy.routes]
default = "quick"
"""

Submit = Callable[..., str]
SetVariables = Callable[..., None]


@pytest.fixture(scope="session")
def model_home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="trimind-tests-", dir="/tmp"))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def supervisor(backends: Mapping[str, str], model_home: Path) -> Iterator[Supervisor]:
    """The supervisor of what these tests start in addition to the session's servers."""
    with Supervisor(model_home) as owner:
        yield owner


@pytest.fixture(scope="session")
def environment(
    backends: Mapping[str, str], supervisor: Supervisor, model_home: Path
) -> dict[str, str]:
    """A worker's environment; the embedded model is running."""
    servers = {name: backends[name] for name in ("DATABASE_URL", "REDIS_URL")}
    model = Backends(model_home, servers)
    supervisor.start(model.services())
    minds = model_home / "minds.toml"
    minds.write_text(BUILT_IN.read_text() + WORDY)
    return {
        **backends,
        **model.environment(),
        "SHARED_SECRET": backends["SHARED_SECRET"],
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "WORKER_THREADS": "4",
        "MINDS_FILE": str(minds),
        "WEBHOOK_ALLOW_PRIVATE": "on",
        "MAX_TOKENS": "40",  # the embedded model does not always know when to stop
    }


@pytest.fixture(scope="session")
def workers(environment: dict[str, str], supervisor: Supervisor) -> None:
    """Both workers, started with the Procfile's commands."""
    commands = read_procfile(ROOT / "Procfile")
    services = [
        Service(
            name,
            shell_command(commands[name]),
            environment,
            ready=partial(answers, name),
            ready_within_s=180,
            cwd=ROOT,
        )
        for name in ("worker", "cpu")
    ]
    supervisor.start(services)


def answers(name: str) -> bool:
    """Whether a worker answers a ping over the broker."""
    prefix = "llm@" if name == "worker" else "cpu@"
    replies = app.control.ping(timeout=1)
    return any(node.startswith(prefix) for reply in replies for node in reply)


@pytest.fixture
def variables(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[SetVariables]:
    """`variables(NAME=value)`: this process's settings for one test, with the workers' model."""

    def forget() -> None:
        get_settings.cache_clear()
        get_minds.cache_clear()

    def change(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        forget()
        # A thread of this process that was just reading the old ones may be the first to finish.
        while get_settings() != get_settings.__wrapped__():
            forget()

    told = ("EMBEDDED_MODEL_URL", "MAX_TOKENS")
    change(**{name: environment[name] for name in told})
    yield change
    monkeypatch.undo()
    forget()


@pytest.fixture(autouse=True)
def free_workers(request: pytest.FixtureRequest) -> None:
    """No job that another test left unfinished keeps the workers from this test's."""
    if "backends" in request.fixturenames:
        request.getfixturevalue("backends")
        with followed(), unit_of_work() as session:
            lock_conversations(session, Job.slot.is_not(None))
            cancel_all(session)


@pytest.fixture(autouse=True)
def undispatched(free_workers: None) -> Iterator[None]:
    """No job is dispatched that a test of this folder accepts, except by `submit`."""
    with unfollowed():
        yield


@pytest.fixture
def submit(backends: Mapping[str, str], external_id: str) -> Submit:
    """`submit(message, …)`: the id of a new job of this test's user, dispatched."""

    def do(message: str, **more: Any) -> str:
        with unit_of_work() as session:
            user = get_or_create_user(session, external_id)
        with followed(), unit_of_work() as session:
            return submission.accept(session, Submission(user, message, **more)).id

    return do


@pytest.fixture
def accept(backends: Mapping[str, str], external_id: str) -> Submit:
    """`accept(message, …)`: the id of a new job, not dispatched."""

    def do(message: str, **more: Any) -> str:
        with unit_of_work() as session:
            user = get_or_create_user(session, external_id)
            return submission.accept(session, Submission(user, message, **more)).id

    return do


def read(job_id: str) -> Job:
    """The current row of a job."""
    with unit_of_work() as session:
        job = session.get(Job, job_id)
        assert job is not None
        return job


def finished(job_id: str) -> bool:
    """Whether the job has ended."""
    return read(job_id).slot is None
