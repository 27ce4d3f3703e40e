"""Redis with TLS and its own authority, and through a failover by its sentinels."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from flower.utils.broker import Broker
from redis import Redis

from app.ops.readiness import check_redis
from config.celery_broker import celery_url, tls_options
from config.flower_sentinels import use_all_sentinels
from config.redis import redis_client
from config.settings import Settings, get_settings
from models.jobs import Job
from models.session import unit_of_work
from tests.conftest import wait_until
from tests.integration.redis_servers import (
    NAME,
    OF_SENTINELS,
    PRIMARY,
    REPLICA,
    Redises,
)

ROOT = Path(__file__).parents[3]
JOBS = 60
FOLLOWED = {("trimind-web", "events"), ("trimind-worker", "events"), ("trimind-worker", "queue")}


@pytest.fixture
def redises() -> Iterator[Redises]:
    """Servers of each test's own: one kills the primary."""
    with Redises() as servers:
        yield servers


@pytest.fixture
def variables(redises: Redises) -> dict[str, str]:
    return {
        "REDIS_URL": redises.url,
        "REDIS_SSL_CA_CERTS": str(redises.authority),
        "REDIS_SENTINEL_PASSWORD": OF_SENTINELS,
        "QUEUE_LEASE_S": "8",
        "RECONCILE_EVERY_S": "1",
    }


@pytest.fixture
def worker(
    backends: Mapping[str, str], variables: dict[str, str], tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker without a stage after compress: intents are classified without a model."""
    command = "--quiet --app tasks.celery worker --pool threads --concurrency 4 --queues llm,cpu"
    more = "--include tasks.stages.intent --hostname cpu@redis --without-gossip --without-mingle"
    log = tmp_path / "worker"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", *command.split(), *more.split()],
            cwd=ROOT,
            env={**backends, **variables, "STAGE_HOPS": "broker"},
            stderr=file,
        )
    wait_until(lambda: "ready." in log.read_text() or process.poll() is not None, 90)
    assert process.poll() is None, log.read_text()
    yield process
    process.terminate()
    assert process.wait(30) == 0, log.read_text()


def settings_with(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    """This process's settings, with these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    return get_settings()


@pytest.fixture(autouse=True)
def forget(backends: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield
    monkeypatch.undo()
    get_settings.cache_clear()


def left(jobs: set[str]) -> set[str]:
    """Those of these jobs that have not come to the stage that the worker lacks."""
    with unit_of_work() as session:
        rows = session.query(Job.id).where(Job.stage.in_(("intent", "compress")))
        return jobs & {row.id for row in rows}


def accept(web: httpx.Client, number: int) -> str:
    """Submit a job; returns its id."""
    accepted = web.post("/v1/jobs", json={"message": f"Hello {number}"})
    assert accepted.status_code == 202
    return str(accepted.json()["id"])


def lengths(settings: Settings) -> list[dict[str, object]]:
    """What Flower shows of the queues."""
    of_url = celery_url(settings.broker)
    broker = Broker(
        of_url, broker_options={"master_name": NAME}, broker_use_ssl=tls_options(settings.broker)
    )
    found: list[dict[str, object]] = asyncio.run(broker.queues(["llm"]))
    return found


def test_the_certificate_is_verified_by_the_authority_that_is_named(
    redises: Redises, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = redises.url_of(PRIMARY)
    unverified = check_redis(settings_with(monkeypatch, REDIS_URL=one))
    assert (unverified.name, "TLS" in unverified.reason) == ("unavailable", True)
    off = settings_with(monkeypatch, REDIS_SSL_CERT_REQS="none")
    assert check_redis(off).name == "ok"
    assert lengths(off) == [{"name": "llm", "messages": 0}]

    authority = variables["REDIS_SSL_CA_CERTS"]
    verified = settings_with(
        monkeypatch, REDIS_SSL_CERT_REQS="required", REDIS_SSL_CA_CERTS=authority
    )
    assert check_redis(verified).name == "ok"
    assert lengths(verified) == [{"name": "llm", "messages": 0}]
    # The certificate is for the address only.
    elsewhere = one.replace("127.0.0.1", "localhost")
    assert check_redis(settings_with(monkeypatch, REDIS_URL=elsewhere)).name == "unavailable"
    in_url = f"{one}?ssl_ca_certs={quote(authority)}"
    monkeypatch.delenv("REDIS_SSL_CA_CERTS")
    assert check_redis(settings_with(monkeypatch, REDIS_URL=in_url)).name == "ok"


def test_jobs_outlive_a_failover_and_no_process_restarts(
    worker: subprocess.Popen[bytes],
    serve: Callable[..., httpx.Client],
    redises: Redises,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    until: Callable[..., None],
) -> None:
    web = serve(**variables)
    until(lambda: web.get("/readyz").json()["checks"]["redis"] == "ok")
    settings = settings_with(monkeypatch, **variables)
    assert redis_client().info("server")["redis_mode"] == "standalone"

    def submit(number: int) -> str:
        if number == JOBS // 2:
            redises.kill_primary()
        return accept(web, number)

    with ThreadPoolExecutor(4) as threads:
        sent = set(threads.map(submit, range(JOBS)))
    assert len(sent) == JOBS

    promoted = redises.asked(REPLICA)
    until(lambda: promoted.info("replication")["role"] == "master", 30)
    until(lambda: not left(sent), 60)
    assert worker.poll() is None
    # The worker waits for messages there, and both processes for notifications.
    until(lambda: any(each["cmd"] == "brpop" for each in promoted.client_list()))
    until(lambda: web.get("/readyz").json()["checks"]["redis"] == "ok")
    assert redis_client().ping()
    use_all_sentinels()
    assert lengths(settings) == [{"name": "llm", "messages": 0}]

    # The old one returns: as a primary without data, until the sentinels make it a replica.
    redises.restart_primary()
    until(lambda: redises.role(PRIMARY) == "master")
    sent = {submit(JOBS + number) for number in range(JOBS)}
    until(lambda: redises.role(PRIMARY) == "slave", 30)
    sent |= {submit(2 * JOBS + number) for number in range(JOBS)}
    until(lambda: not left(sent), 60)
    assert worker.poll() is None


def test_jobs_outlive_a_primary_that_hangs_and_returns(
    worker: subprocess.Popen[bytes],
    serve: Callable[..., httpx.Client],
    redises: Redises,
    variables: dict[str, str],
    until: Callable[..., None],
) -> None:
    """No connection to it is closed while it hangs, and it returns as the primary that it was."""
    web = serve(**variables)
    until(lambda: web.get("/readyz").json()["checks"]["redis"] == "ok")

    def submit(number: int) -> str:
        return accept(web, number)

    with web.stream("GET", f"/v1/jobs/{submit(0)}/events"), ThreadPoolExecutor(4) as threads:
        until(lambda: followed(redises.asked(PRIMARY)) == FOLLOWED)
        redises.freeze_primary()
        sent = set(threads.map(submit, range(JOBS)))
        until(lambda: redises.role(REPLICA) == "master", 30)
        until(lambda: followed(redises.asked(REPLICA)) == FOLLOWED, 60)
        until(lambda: not left(sent), 60)

        redises.thaw_primary()
        sent = set(threads.map(submit, range(JOBS)))
        until(lambda: redises.role(PRIMARY) == "slave", 30)
        until(lambda: not followed(redises.asked(PRIMARY)))
        sent |= set(threads.map(submit, range(JOBS)))
        until(lambda: not left(sent), 60)
        until(lambda: followed(redises.asked(REPLICA)) == FOLLOWED)
    assert worker.poll() is None


def followed(server: Redis) -> set[tuple[str, str]]:
    """Which processes wait for what there: notifications, or messages."""
    clients = [each for each in server.client_list() if each["name"].startswith("trimind-")]
    listening = {(each["name"], "events") for each in clients if each["sub"] != "0"}
    return listening | {(each["name"], "queue") for each in clients if each["cmd"] == "brpop"}
