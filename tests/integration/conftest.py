"""Real PostgreSQL and Valkey for a test session, and the environment to reach them; or a whole
stack."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import make_url

from config.minds import get_minds
from config.settings import get_settings
from deploy.embedded.backends import Backends
from models.schema import upgrade
from models.session import get_engine
from tasks.celery import app

from ..chaos.profiles import SHORT
from ..chaos.stack import Stack
from ..chaos.workers import LIBRARIES, Fleet
from ..forks import ForkServer

Quietly = Callable[[Mapping[str, str]], AbstractContextManager[Mapping[str, str]]]

ROOT = Path(__file__).resolve().parents[2]

# A migrated database, of which others are copies.
TEMPLATE = "empty"
# What the web process imports; nothing of it reads a setting.
WEB_MODULES = ("app.factory", "app.server.server", "uvicorn.protocols.utils")

# No model is called here: the address only stands in for a provider's key.
NO_MODEL = {"EMBEDDED_MODEL_URL": "http://127.0.0.1:9"}
# All tests have the same address.
PATIENT = {"WRONG_KEYS_PER_MINUTE": "1000000"}
# About three seconds of text, some forty pieces.
SLOWLY = {"latency_s": [0.3, 0.3], "words": 40}


@pytest.fixture(scope="session")
def backends() -> Iterator[Mapping[str, str]]:
    """The environment of a process that uses the session's PostgreSQL (migrated) and Valkey.

    It is also set in this process. Tests share the database; each uses its own `external_id`.
    """
    home = Path(tempfile.mkdtemp(prefix="trimind-tests-", dir="/tmp"))
    home.chmod(0o755)  # PostgreSQL's own user must be able to enter
    with pytest.MonkeyPatch.context() as patch, Backends(home, NO_MODEL) as running:
        environment = NO_MODEL | PATIENT | running.environment()
        for name, value in environment.items():
            patch.setenv(name, value)
        _forget_settings()
        # Celery reads its broker once, which must not happen under another test's variables.
        app.conf.broker_url = environment["REDIS_URL"]
        upgrade()
        _wait_for_no_disk()
        _create_database(TEMPLATE, copy_of="trimind")
        yield {**os.environ, **environment}
        get_engine().dispose()
        _forget_settings()
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def quietly() -> Quietly:
    """`with quietly(backends) as environment`: a database and a queue without a worker."""
    return _quietly


@pytest.fixture(scope="session")
def web_forks() -> Iterator[ForkServer]:
    """Forks web processes, and commands."""
    with closing(ForkServer(WEB_MODULES, os.environ)) as forks:
        forks.wait_until_ready()
        yield forks


@pytest.fixture(scope="session")
def worker_forks() -> Iterator[ForkServer]:
    """Forks workers."""
    with closing(ForkServer(LIBRARIES, os.environ)) as forks:
        forks.wait_until_ready()
        yield forks


@contextmanager
def _quietly(backends: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    database = f"quiet_{secrets.token_hex(4)}"
    _create_database(database, copy_of=TEMPLATE)
    url = make_url(backends["DATABASE_URL"]).set(database=database)
    database_url = url.render_as_string(hide_password=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", database_url)
        _forget_settings()
        # The queue is for the processes that a test starts. Celery reads its broker once, so that
        # this process keeps the session's, where a worker drops what its database does not know.
        queue = backends["REDIS_URL"].removesuffix("/0") + "/1"
        with Redis.from_url(queue) as redis:
            redis.flushdb()  # a worker would first drop all that an earlier module has published
        yield {**backends, "DATABASE_URL": database_url, "REDIS_URL": queue}
        get_engine().dispose()
    _forget_settings()
    _administer(f"DROP DATABASE {database} WITH (FORCE)")  # it would be vacuumed for ever


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of git's files, without build artifacts, in a folder with special characters
    like those that CI systems and desktops put into names."""
    folder = tmp_path_factory.mktemp("feature%2Fx (copy)")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    for name in filter(None, names):
        original = ROOT / name.decode()
        if original.is_file():
            copy = folder / name.decode()
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(original.read_bytes())
    return folder


@pytest.fixture(scope="session")
def shared_stack() -> Iterator[Stack]:
    with Stack(SHORT) as stack:
        yield stack


@pytest.fixture(scope="session")
def fleet(shared_stack: Stack) -> Iterator[Fleet]:
    """One worker, which is restarted when it dies."""
    workers = shared_stack.fleet(1)
    workers.start()
    yield workers
    workers.stop()


@pytest.fixture
def stack(shared_stack: Stack, fleet: Fleet) -> Iterator[Stack]:
    """A whole stack with a provider of the tests', and one worker."""
    yield shared_stack
    shared_stack.set_faults()
    fleet.wait_until_ready()


@pytest.fixture
def slowly(stack: Stack) -> None:
    """Make answers slow."""
    stack.set_faults(**SLOWLY)


@pytest.fixture
def external_id() -> str:
    """The external id of this test's own user."""
    return f"user-{secrets.token_hex(8)}"


def _wait_for_no_disk() -> None:
    """Turn fsync off: these tests kill processes, but crash no machine."""
    _administer("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")


def _create_database(name: str, *, copy_of: str) -> None:
    get_engine().dispose()  # nobody may be connected to what is copied
    _administer(f"CREATE DATABASE {name} TEMPLATE {copy_of}")


def _administer(*statements: str) -> None:
    autocommit = get_engine().connect().execution_options(isolation_level="AUTOCOMMIT")
    with autocommit as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _forget_settings() -> None:
    for cached in (get_settings, get_minds, get_engine):
        cached.cache_clear()
