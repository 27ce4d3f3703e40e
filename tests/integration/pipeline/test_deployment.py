"""A PaaS deployment: install from `requirements.txt` and start the Procfile's processes."""

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from redis import Redis
from sqlalchemy import make_url

from deploy.embedded.ports import free_port
from deploy.embedded.procfile import read_procfile
from models.session import get_engine

Until = Callable[..., None]
Start = Callable[..., "subprocess.Popen[bytes]"]

# With DATABASE_POOL=4 and REDIS_POOL=3. `/readyz` takes one connection beside the web's pool, and
# of cpu each of two processes has a pool.
POSTGRES = {"trimind-web": 5, "trimind-worker": 4, "trimind-cpu": 8}
REDIS = {"trimind-web": 3, "trimind-worker": 6, "trimind-cpu": 7, "trimind-flower": 4}
FLOWER = ("operator", "a-password-of-ours")
STOP_WITHIN_S = 30


@pytest.fixture(scope="module")
def installed(source: Path) -> Path:
    """The `bin` folder of a fresh environment, independent of this one."""
    folder = source.with_name("installed")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    # Compiling what is run once takes as long as the rest.
    install = [f"{folder}/bin/pip", "install", "--quiet", "--no-compile", "-r", "requirements.txt"]
    subprocess.run(install, cwd=source, check=True)
    return folder / "bin"


@pytest.fixture
def deployed(environment: dict[str, str], installed: Path, tmp_path: Path) -> dict[str, str]:
    """The environment that a PaaS gives each process; the database is new, without a schema."""
    name = f"deployed_{secrets.token_hex(4)}"
    autocommit = get_engine().connect().execution_options(isolation_level="AUTOCOMMIT")
    with autocommit as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = make_url(environment["DATABASE_URL"]).set(database=name)
    return {
        "PATH": f"{installed}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "REDIS_URL": environment["REDIS_URL"].removesuffix("/0") + "/5",
        "SHARED_SECRET": secrets.token_hex(32),
        "FLOWER_BASIC_AUTH": ":".join(FLOWER),
        "EMBEDDED_MODEL_URL": environment["EMBEDDED_MODEL_URL"],
        "MAX_TOKENS": "20",
        "WORKER_THREADS": "8",
        "DATABASE_POOL": "4",
        "REDIS_POOL": "3",
    }


@pytest.fixture
def start(source: Path, deployed: dict[str, str]) -> Iterator[Start]:
    """`start(name, **variables)`: run a process of the Procfile in a shell; each must end."""
    commands = read_procfile(source / "Procfile")
    started: list[subprocess.Popen[bytes]] = []

    def do(name: str, **more: str) -> subprocess.Popen[bytes]:
        command = ["bash", "-c", commands[name]]
        started.append(
            subprocess.Popen(command, cwd=source, env=deployed | more, start_new_session=True)
        )
        return started[-1]

    yield do
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    for process in started:
        process.wait(STOP_WITHIN_S)


def test_a_deployment_answers_a_message(
    start: Start, deployed: dict[str, str], until: Until
) -> None:
    web, flower = free_port(), free_port()
    assert start("release").wait(60) == 0
    start("web", PORT=str(web))
    start("worker")
    start("cpu")
    start("flower", PORT=str(flower))
    headers = {"Authorization": f"Bearer {deployed['SHARED_SECRET']}", "X-Trimind-User": "somebody"}
    client = httpx.Client(base_url=f"http://127.0.0.1:{web}", headers=headers, trust_env=False)
    until(lambda: status(client, "/readyz") == 200, 60)

    # Long enough to go to the cpu worker.
    job = client.post("/v1/jobs", json={"message": "The river runs to the sea. " * 30}).json()

    def ended() -> dict[str, Any] | None:
        read = client.get(f"/v1/jobs/{job['id']}").json()
        return read if read["status"] not in ("queued", "in_progress") else None

    until(ended, 120)
    read = ended()
    assert read is not None
    assert read["status"] == "completed", read["error"]
    operator = httpx.Client(base_url=f"http://127.0.0.1:{flower}", trust_env=False, timeout=30)
    assert status(operator, "/") == 401
    assert operator.get("/", auth=FLOWER).status_code == 200

    def work(number: int) -> int:
        if number % 8 == 0:
            return operator.get("/workers?refresh=1", auth=FLOWER).status_code
        message = "The river runs to the sea. " * (30 if number % 4 else 1)
        return client.post("/v1/jobs", json={"message": message}, timeout=30).status_code

    with Connections(deployed) as connections, ThreadPoolExecutor(24) as threads:
        statuses = set(threads.map(work, range(96)))
        until(lambda: connections.postgres["trimind-worker"] and connections.redis["trimind-cpu"])
    assert statuses == {200, 202}
    # As docs/deploying.md says of a small plan; every connection has its process's name.
    assert connections.postgres.keys() == {"trimind-web", "trimind-worker", "trimind-cpu"}
    assert all(most <= POSTGRES[name] for name, most in connections.postgres.items())
    assert sum(POSTGRES.values()) <= 20
    assert sum(REDIS.values()) <= 20
    assert connections.redis.keys() == REDIS.keys()
    assert all(most <= REDIS[name] for name, most in connections.redis.items()), connections.redis


class Connections:
    """The peak number of connections of each process, by name, until the block ends."""

    def __init__(self, deployed: dict[str, str]) -> None:
        self.postgres: Counter[str] = Counter()
        self.redis: Counter[str] = Counter()
        self._environ = deployed
        self._over = threading.Event()
        self._counts = threading.Thread(target=self._count)

    def __enter__(self) -> "Connections":
        self._counts.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._counts.join()

    def _count(self) -> None:
        url = self._environ["DATABASE_URL"].replace("+psycopg", "")
        named = "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
        mine = "trimind-counts"
        with (
            psycopg.connect(url, autocommit=True, application_name=mine) as database,
            Redis.from_url(self._environ["REDIS_URL"], decode_responses=True) as redis,
        ):
            db = self._environ["REDIS_URL"].rpartition("/")[2]
            while not self._over.wait(0.05):
                backends = Counter(name for (name,) in database.execute(named) if name)
                del backends[mine]
                self.postgres |= backends
                clients = [each for each in redis.client_list() if each["db"] == db]
                self.redis |= Counter(each["name"] for each in clients if each["name"])


def status(client: httpx.Client, path: str) -> int | None:
    """The status of an answer, or None while no server listens."""
    try:
        return client.get(path).status_code
    except httpx.TransportError:
        return None
