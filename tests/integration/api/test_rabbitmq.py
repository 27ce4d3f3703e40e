"""RabbitMQ as the broker, with a quorum queue for each lane, also through a reset of its
connections."""

import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from kombu.connection import Connection

from app.auth.bearer import USER_HEADER
from config.queues import broker_queues
from models.jobs import Job
from models.session import unit_of_work
from tests.chaos.proxy import Proxy
from tests.conftest import wait_until
from tests.integration.rabbitmq import Broker

ROOT = Path(__file__).parents[3]
Worker = subprocess.Popen[bytes]
JOBS = 140
# Of one user, queued before another user's.
BACKLOG = 200
WEB = ("REDIS_URL", "BROKER_URL", "QUEUE_LEASE_S")


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with Broker() as broker, Proxy(broker.port) as proxy:
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


@pytest.fixture
def worker(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[[], Worker]]:
    """`worker()`: starts one, and waits until it is ready."""
    command = "--quiet --app tasks.celery worker --pool threads --concurrency 4 --queues llm,cpu"
    more = "--include tasks.stages.intent --hostname cpu@rabbitmq --without-gossip --without-mingle"
    log = tmp_path / "worker"
    with ExitStack() as running:

        def start() -> Worker:
            file = running.enter_context(log.open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", *command.split(), *more.split()],
                cwd=ROOT,
                env=environment,
                stderr=file,
            )
            running.callback(process.wait, 30)
            running.callback(process.terminate)
            wait_until(lambda: "ready." in log.read_text(), 90)
            return process

        yield start


def left(jobs: Collection[str]) -> set[str]:
    """Those of these jobs that have not come to the stage that the worker lacks."""
    with unit_of_work() as session:
        rows = session.query(Job.id).where(Job.stage.in_(("intent", "compress")))
        return set(jobs) & {row.id for row in rows}


def begun_before(job_id: str, jobs: Collection[str]) -> int:
    """How many of these jobs began before this one."""
    with unit_of_work() as session:
        when = session.query(Job.started_at).where(Job.id == job_id).scalar_subquery()
        return session.query(Job).where(Job.id.in_(jobs), Job.started_at < when).count()


def lengths(broker: str) -> dict[str, int]:
    """How many messages each queue has, by its name at the broker; none before it is declared."""
    with Connection(broker) as connection:
        return {name: length(connection, name) for name in broker_queues("llm", broker)}


def length(connection: Connection, queue: str) -> int:
    try:
        with connection.channel() as channel:
            return int(channel.queue_declare(queue, passive=True).message_count)
    except connection.channel_errors:  # a chain is published after its 202
        return 0


def check_that_none_is_classic(broker: str) -> None:
    """A queue can't be declared again as one of another kind."""
    with Connection(broker) as connection:
        for name in broker_queues("llm", broker):
            channel = connection.channel()
            with pytest.raises(connection.channel_errors, match="PRECONDITION_FAILED"):
                channel.queue_declare(name, durable=True, auto_delete=False)


def test_jobs_go_through_rabbitmq_and_through_a_reset(
    worker: Callable[[], Worker],
    serve: Callable[..., httpx.Client],
    environment: dict[str, str],
    proxy: Proxy,
    until: Callable[..., None],
) -> None:
    running = worker()
    web = serve(**{name: environment[name] for name in WEB})
    assert web.get("/readyz").json()["checks"]["broker"] == "ok"

    def submit(number: int) -> str:
        if number == JOBS // 2:
            proxy.reset()
        accepted = web.post("/v1/jobs", json={"message": f"Hello {number}"})
        assert accepted.status_code == 202
        return str(accepted.json()["id"])

    with ThreadPoolExecutor(8) as threads:
        sent = set(threads.map(submit, range(JOBS)))

    assert len(sent) == JOBS
    until(lambda: not left(sent), 60)
    assert running.poll() is None


def test_a_users_job_does_not_wait_behind_those_of_another(
    worker: Callable[[], Worker],
    serve: Callable[..., httpx.Client],
    environment: dict[str, str],
    external_id: str,
    until: Callable[..., None],
) -> None:
    web = serve(**{name: environment[name] for name in WEB})

    def submit(user: str, priority: str) -> str:
        body = {"message": "Hello", "priority": priority}
        accepted = web.post("/v1/jobs", json=body, headers={USER_HEADER: user})
        assert accepted.status_code == 202
        return str(accepted.json()["id"])

    # Without a worker, so that all of them are queued when it starts.
    bulk = [submit(external_id, "bulk") for _ in range(BACKLOG // 2)]
    crowded = [submit(external_id, "interactive") for _ in range(BACKLOG // 2)]
    other = submit(f"{external_id}-other", "interactive")
    wanted = [1, len(crowded), len(bulk)]
    until(lambda: list(lengths(environment["BROKER_URL"]).values()) == wanted)
    check_that_none_is_classic(environment["BROKER_URL"])

    worker()
    until(lambda: not left([*bulk, *crowded, other]), 60)
    assert begun_before(other, [*bulk, *crowded]) < BACKLOG // 4
