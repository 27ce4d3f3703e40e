"""A client of the application for one user, and the server as the Procfile starts it."""

import socket
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

from ...forks import Fork, ForkServer
from .web_server import WebServer, end

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


@pytest.fixture(scope="module")
def shared_servers() -> Iterator[dict[frozenset[tuple[str, str]], WebServer]]:
    """The servers that this module's tests share, by the variables that `serve` was given."""
    started: dict[frozenset[tuple[str, str]], WebServer] = {}
    yield started
    end([server.process for server in started.values()])


@pytest.fixture
def servers() -> Iterator[list[Fork]]:
    """The processes that `serve` has started for this test alone; each must end when asked to."""
    started: list[Fork] = []
    yield started
    end(started)


@pytest.fixture
def web_log(servers: list[Fork], tmp_path: Path) -> Path:
    """The log of the servers that `serve` has started for this test alone."""
    return tmp_path / "log"


@pytest.fixture
def sockets() -> list[str]:
    """Where the servers that `serve` has given to this test listen."""
    return []


@pytest.fixture
def serve(
    request: pytest.FixtureRequest,
    backends: Mapping[str, str],
    web_forks: ForkServer,
    external_id: str,
    shared_servers: dict[frozenset[tuple[str, str]], WebServer],
    sockets: list[str],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Serve]:
    """`serve(**variables)`: a client for a server with these variables, as this test's user.

    Tests of a module share it, unless they ask for `servers` or `web_log`: then each call starts
    another.
    """
    own: list[Fork] | None = None
    if "servers" in request.fixturenames:
        own = request.getfixturevalue("servers")
    headers = {"Authorization": f"Bearer {backends['SHARED_SECRET']}", USER_HEADER: external_id}

    def server_with(changed: dict[str, str]) -> WebServer:
        variables = frozenset(changed.items())
        if own is None and variables in shared_servers:
            return shared_servers[variables]
        folder = tmp_path if own is not None else tmp_path_factory.mktemp("web")
        server = WebServer(web_forks, backends, changed, folder)
        if own is None:
            shared_servers[variables] = server
        else:
            own.append(server.process)
        server.wait_until_up()
        return server

    with ExitStack() as clients:

        def start(**changed: str) -> httpx.Client:
            server = server_with(changed)
            sockets.append(str(server.socket))
            return clients.enter_context(server.client(headers))

        yield start


@pytest.fixture
def connect(sockets: list[str]) -> Iterator[Connect]:
    """`connect()`: a raw connection to the first server that `serve` has given, to send what no
    client would."""
    with ExitStack() as opened:

        def make() -> socket.socket:
            client = opened.enter_context(socket.socket(socket.AF_UNIX))
            client.settimeout(15)
            client.connect(sockets[0])
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
