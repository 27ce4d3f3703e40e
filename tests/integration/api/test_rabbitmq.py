"""RabbitMQ as the broker, also through a reset of its connections."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from models.jobs import Job
from models.session import unit_of_work
from tests.chaos.proxy import Proxy
from tests.conftest import wait_until
from tests.integration.rabbitmq import running

ROOT = Path(__file__).parents[3]
JOBS = 140


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with running() as port, Proxy(port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def environment(backends: Mapping[str, str], proxy: Proxy) -> dict[str, str]:
    """A separate database whose messages go through RabbitMQ. Intents are classified without a
    model, and the worker has no stage after compress."""
    return {
        **backends,
        "REDIS_URL": backends["REDIS_URL"].rpartition("/")[0] + "/8",
        "BROKER_URL": f"amqp://guest:guest@127.0.0.1:{proxy.port}//",
        "RECONCILE_EVERY_S": "1",
        "QUEUE_LEASE_S": "4",
        "STAGE_HOPS": "broker",
    }


@pytest.fixture(scope="module")
def worker(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[subprocess.Popen[bytes]]:
    log = tmp_path_factory.mktemp("rabbitmq") / "worker"
    command = "--quiet --app tasks.celery worker --pool threads --concurrency 4 --queues llm,cpu"
    more = "--include tasks.stages.intent --hostname cpu@rabbitmq --without-gossip --without-mingle"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", *command.split(), *more.split()],
            cwd=ROOT,
            env=environment,
            stderr=file,
        )
    wait_until(lambda: "ready." in log.read_text(), 90)
    yield process
    process.terminate()
    process.wait(30)


def test_jobs_go_through_rabbitmq_and_through_a_reset(
    worker: subprocess.Popen[bytes],
    serve: Callable[..., httpx.Client],
    environment: dict[str, str],
    proxy: Proxy,
    until: Callable[..., None],
) -> None:
    names = ("REDIS_URL", "BROKER_URL", "QUEUE_LEASE_S")
    web = serve(**{name: environment[name] for name in names})
    assert web.get("/readyz").json()["checks"]["broker"] == "ok"

    def submit(number: int) -> str:
        if number == JOBS // 2:
            proxy.reset()
        accepted = web.post("/v1/jobs", json={"message": f"Hello {number}"})
        assert accepted.status_code == 202
        return str(accepted.json()["id"])

    with ThreadPoolExecutor(8) as threads:
        sent = set(threads.map(submit, range(JOBS)))

    def left() -> set[str]:
        with unit_of_work() as session:
            rows = session.query(Job.id).where(Job.stage.in_(("intent", "compress")))
            return sent & {row.id for row in rows}

    assert len(sent) == JOBS
    until(lambda: not left(), 60)
    assert worker.poll() is None
