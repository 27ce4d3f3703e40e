"""Which pool each worker has: processes only where a model computes in them."""

from collections.abc import Callable
from typing import Any

import pytest

from deploy.embedded.procfile import read_procfile, shell_command
from deploy.embedded.service import Service
from deploy.embedded.supervisor import Supervisor
from tasks.celery import app

from .conftest import ROOT, Submit, finished, read

Until = Callable[..., None]
OURS = "tasks.worker.thread_pool:TaskPool"
PREFORK = "celery.concurrency.prefork:TaskPool"


def pool(prefix: str) -> dict[str, Any]:
    """What the worker whose name begins so says about its pool; empty if it does not answer."""
    stats = app.control.inspect(timeout=2).stats() or {}
    return next((one["pool"] for name, one in stats.items() if name.startswith(prefix)), {})


@pytest.mark.usefixtures("workers")
def test_without_weights_the_cpu_worker_compresses_in_a_thread(
    submit: Submit, until: Until
) -> None:
    until(lambda: pool("cpu@").get("implementation") == OURS)
    assert pool("cpu@")["max-concurrency"] == 1

    job_id = submit("The old printer says that one word too many is one too many. " * 40)
    until(lambda: finished(job_id), 60)
    record = read(job_id).record("compress")
    assert (record.status, record.compressor) == ("completed", "extractive")


def test_several_cpu_workers_are_processes(
    environment: dict[str, str], supervisor: Supervisor, until: Until
) -> None:
    command = read_procfile(ROOT / "Procfile")["cpu"]
    # Of a queue of its own, to which nothing is sent.
    command = command.replace("--queues cpu", "--queues spare").replace("cpu@%h", "spare@%h")
    several = Service(
        "spare",
        shell_command(command),
        environment | {"CPU_WORKERS": "2"},
        ready=lambda: bool(pool("spare@")),
        ready_within_s=180,
        cwd=ROOT,
    )
    supervisor.start([several])
    try:
        assert pool("spare@")["implementation"] == PREFORK
        assert len(pool("spare@")["processes"]) == 2
    finally:
        supervisor.kill("spare")
