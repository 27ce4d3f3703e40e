"""A client of the application for one user, and the server as the Procfile starts it."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import text

from app.auth.bearer import USER_HEADER
from app.factory import create_app
from models.session import unit_of_work
from tasks.jobs.cancel_channel import CHANNEL

ROOT = Path(__file__).resolve().parents[3]
WAIT_S = 30

Client = Callable[[str], FlaskClient]
Quietly = Callable[[Mapping[str, str]], AbstractContextManager[Mapping[str, str]]]
Serve = Callable[..., httpx.Client]
Connect = Callable[[], socket.socket]


@pytest.fixture(scope="module")
def backends(backends: Mapping[str, str], quietly: Quietly) -> Iterator[Mapping[str, str]]:
    """The session's servers without a worker: a job stays as it was accepted."""
    with quietly(backends) as environment:
        yield environment


@pytest.fixture(scope="module")
def app(backends: Mapping[str, str]) -> Flask:
    return create_app()


@pytest.fixture
def client_of(app: Flask, backends: Mapping[str, str]) -> Client:
    """A client that acts for the user with this external id, with the shared secret."""

    def make(external_id: str) -> FlaskClient:
        client = app.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {backends['SHARED_SECRET']}"
        client.environ_base["HTTP_X_TRIMIND_USER"] = external_id
        return client

    return make


@pytest.fixture
def client(client_of: Client, external_id: str) -> FlaskClient:
    return client_of(external_id)


@pytest.fixture
def stranger(client_of: Client, external_id: str) -> FlaskClient:
    return client_of(f"not-{external_id}")


@pytest.fixture
def servers() -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes that `serve` has started; each must end when asked to."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.terminate()
    assert [process.wait(WAIT_S) for process in started] == [0] * len(started)


@pytest.fixture
def serve(
    backends: Mapping[str, str],
    external_id: str,
    tmp_path: Path,
    servers: list[subprocess.Popen[bytes]],
) -> Iterator[Serve]:
    """`serve(**variables)`: start the server and return a client for it, as this test's user.

    It listens on a Unix socket, or at `BIND` (`127.0.0.1:PORT`).
    """
    clients: list[httpx.Client] = []

    def start(**changed: str) -> httpx.Client:
        path = f"{tmp_path}/{len(servers)}.sock"
        bind = changed.get("BIND", f"unix:{path}")
        process = subprocess.Popen(
            [sys.executable, "-m", "app.server"],
            cwd=ROOT,
            env={**backends, **changed, "BIND": bind},
            stderr=(tmp_path / "log").open("ab"),
        )
        headers = {
            "Authorization": f"Bearer {backends['SHARED_SECRET']}",
            USER_HEADER: external_id,
        }
        client = httpx.Client(
            base_url="http://web" if bind.startswith("unix:") else f"http://{bind}",
            headers=headers,
            timeout=20,
            transport=httpx.HTTPTransport(uds=path if bind.startswith("unix:") else None),
        )
        servers.append(process)
        clients.append(client)
        _wait_until_up(client, process)
        return client

    yield start
    for client in clients:
        client.close()


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """`connect()`: a raw connection to the first server that `serve` has started, to send what no
    client would."""
    with ExitStack() as opened:

        def make() -> socket.socket:
            client = opened.enter_context(socket.socket(socket.AF_UNIX))
            client.settimeout(15)
            client.connect(str(tmp_path / "0.sock"))
            return client

        yield make


@pytest.fixture
def dead_address() -> str:
    """An address at which no server listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def stops(backends: Mapping[str, str]) -> Iterator[Callable[[], list[str]]]:
    """`stops()`: the ids of the jobs published as cancelled since the last call."""
    with Redis.from_url(backends["REDIS_URL"], decode_responses=True) as redis:
        channel = redis.pubsub(ignore_subscribe_messages=True)
        channel.subscribe(CHANNEL)
        channel.get_message(timeout=5)  # the subscription is confirmed

        def read() -> list[str]:
            redis.publish(CHANNEL, "end")
            heard = []
            while (message := channel.get_message(timeout=5)) is None or message["data"] != "end":
                heard += [message["data"]] if message else []
            return heard

        yield read


@pytest.fixture
def blocked(until: Callable[..., None]) -> Callable[[], None]:
    """`blocked()`: wait until a statement waits for a row lock."""
    waits = "wait_event_type = 'Lock' AND application_name LIKE 'trimind%'"

    def a_statement_waits() -> bool:
        with unit_of_work() as session:
            found = session.execute(text(f"SELECT 1 FROM pg_stat_activity WHERE {waits}"))
            return found.first() is not None

    return lambda: until(a_statement_waits)


def _wait_until_up(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.get("/healthz")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server did not start")
