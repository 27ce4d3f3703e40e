"""A Redis that refuses commands: workers wait, and the web still accepts jobs."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from redis import Redis
from sqlalchemy import text

from models.lifecycle.fence import Fence
from models.lifecycle.transitions import begin, checkpoint
from models.session import unit_of_work
from models.stage_record import StageRecord
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept
from tests.conftest import wait_until
from tests.integration.refusing_redis import FULL, RefusingRedis, refusing

from .rows import change, row

ROOT = Path(__file__).parents[3]
# Valid, except for its body, which is not JSON.
CONTROL = json.dumps(
    {
        "body": "rubbish",
        "headers": {},
        "properties": {"delivery_info": {}, "delivery_tag": "1"},
        "content-type": "application/json",
        "content-encoding": "utf-8",
    }
)
REFUSALS = {
    "LOADING Redis is loading the dataset in memory": "loading its data",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": "replica",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN": "busy",
    "MISCONF Errors writing to the AOF file: No space left on device": "disk",
    "CLUSTERDOWN The cluster is down": "cluster",
    "TRYAGAIN Multiple keys request during rehashing of slot": "other nodes",
    "NOAUTH Authentication required.": "password",
    "WRONGPASS invalid username-password pair or user is disabled.": "the user or password",
    "NOPERM this user has no permissions to run the 'lpush' command": "permission",
    "ERR unknown": "see the log",
    FULL: "connection",
}


@pytest.fixture(scope="module")
def redis(backends: Mapping[str, str]) -> Iterator[RefusingRedis]:
    url = urlsplit(backends["REDIS_URL"])
    with refusing(str(url.hostname), int(url.port or 0)) as server:
        yield server


@pytest.fixture(scope="module")
def environment(backends: Mapping[str, str], redis: RefusingRedis) -> dict[str, str]:
    url = urlsplit(backends["REDIS_URL"])
    return {
        **backends,
        "REDIS_URL": f"redis://:{url.password}@127.0.0.1:{redis.port}/7",
        "LOG_FORMAT": "json",
        "RECONCILE_EVERY_S": "0.5",
    }


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("refusals") / "worker"


@pytest.fixture(scope="module")
def worker(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that compresses without a model."""
    command = "--quiet --app tasks.celery worker --pool threads --concurrency 2 --queues llm,cpu"
    quiet = "--hostname cpu@refusals --without-gossip --without-mingle"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", *command.split(), *quiet.split()],
            cwd=ROOT,
            env=environment,
            stderr=file,
        )
    wait_until(lambda: "ready." in log.read_text())
    yield process
    process.terminate()
    process.wait(30)


@pytest.fixture
def compressing(external_id: str) -> Callable[[], str]:
    """`compressing()`: a job at compress whose message is not in the broker."""

    def make() -> str:
        with unit_of_work() as session:
            user = get_or_create_user(session, external_id)
            job_id = accept(session, Submission(user, "Hello")).id
        with unit_of_work() as session:
            fence = Fence(job_id, 1, "intent", uuid4())
            assert begin(session, fence)
            assert checkpoint(session, fence, StageRecord(status="completed"), {})
        change(job_id, queue_lease_until=text("now()"), queue_lease_s=1)
        return job_id

    return make


@pytest.fixture
def web(serve: Callable[..., httpx.Client], environment: dict[str, str]) -> httpx.Client:
    return serve(REDIS_URL=environment["REDIS_URL"], LOG_FORMAT="json")


@pytest.mark.parametrize("error", REFUSALS)
def test_a_worker_waits_for_a_redis_that_refuses_and_goes_on(
    worker: subprocess.Popen[bytes],
    redis: RefusingRedis,
    compressing: Callable[[], str],
    until: Callable[..., None],
    error: str,
) -> None:
    with redis.refusing(error):
        until(lambda: redis.refused.total() >= 3)
        job_id = compressing()

    until(lambda: row(job_id).stage == "generate")
    assert worker.poll() is None


@pytest.mark.parametrize("sent", ["no JSON", "{}", "[]", "7", '{"body": "x"}', CONTROL, b"\xff"])
def test_a_worker_passes_over_a_control_message_that_it_cannot_read(
    worker: subprocess.Popen[bytes],
    environment: dict[str, str],
    compressing: Callable[[], str],
    until: Callable[..., None],
    sent: str | bytes,
) -> None:
    with Redis.from_url(environment["REDIS_URL"]) as redis:
        until(lambda: redis.publish("/7.celery.pidbox", sent))

    job_id = compressing()

    until(lambda: row(job_id).stage == "generate")
    assert worker.poll() is None


def test_a_worker_outlives_a_script_that_was_killed(
    worker: subprocess.Popen[bytes],
    redis: RefusingRedis,
    compressing: Callable[[], str],
    until: Callable[..., None],
) -> None:
    killed = "ERR Error running script: Script killed by user with SCRIPT KILL."
    with redis.refusing(killed, "EVAL", "EVALSHA", "MULTI", "EXEC"):
        redis.cut()  # it binds its queues again
        job_id = compressing()
        until(lambda: redis.refused.total())

    until(lambda: row(job_id).stage == "generate")
    assert worker.poll() is None


def test_submits_are_accepted_while_redis_refuses_and_readiness_says_why(
    redis: RefusingRedis, web: httpx.Client, until: Callable[..., None], web_log: Path
) -> None:
    for error, reason in REFUSALS.items():
        with redis.refusing(error):
            began = time.monotonic()
            accepted = web.post("/v1/jobs", json={"message": "hello"})
            took_s = time.monotonic() - began
            until(lambda reason=reason: reason in why(web))
            ready = web.get("/readyz")
            cancelled = web.post(f"{accepted.headers['Location']}/cancel")
        assert (accepted.status_code, cancelled.status_code) == (202, 200), error
        assert took_s < 3, error
        assert ready.status_code == 200
        assert ready.json()["status"] == "degraded"
        assert ready.json()["checks"]["redis"] == "unavailable"
    until(lambda: web.get("/readyz").json()["status"] == "ok")
    assert "Traceback" not in web_log.read_text()


def why(web: httpx.Client) -> str:
    return str(web.get("/readyz").json()["reasons"].get("redis", ""))


def test_an_outage_is_logged_once_a_minute_for_each_cause_and_once_when_it_is_over(
    worker: subprocess.Popen[bytes], redis: RefusingRedis, log: Path, until: Callable[..., None]
) -> None:
    error = "MISCONF for the log"
    with redis.refusing(error):
        until(lambda: {"broker unavailable", "redis unavailable"} <= set(said(log, error)))
        tried = redis.refused.total()
        until(lambda: redis.refused.total() >= tried + 10)

    assert sorted(said(log, error)) == ["broker unavailable", "redis unavailable"]
    until(lambda: said(log)[-2:] in BACK)


BACK = (["broker is back", "redis is back"], ["redis is back", "broker is back"])


def said(log: Path, error: str | None = None) -> list[str]:
    """A worker's log lines about unavailable servers, all or those with this error."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    found = [line for line in lines if line["event"].endswith((" unavailable", " is back"))]
    return [line["event"] for line in found if error in (None, line.get("error"))]
