"""Cassettes: real answers of servers, recorded with `make record` and replayed offline.

A test declares what it needs by the name of an argument (KINDS). Recording calls the providers
whose keys are set, or else the embedded model's server, on fixed ports. Each cassette's header
names the server that it came from; a replay calls that server's address and model.
"""

import os
import re
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import MISSING, asdict, dataclass, fields
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from vcr.cassette import Cassette
from vcr.request import Request
from vcr.stubs.httpx_stubs import vcr_handle_request

from config.minds import get_minds
from config.settings import PROVIDER_KEYS, get_settings
from deploy.embedded import model_server
from deploy.embedded.model_server import MODEL_NAME, TOKENS_PER_SLOT
from deploy.embedded.process import module_command, module_environ
from deploy.embedded.service import Service
from deploy.embedded.supervisor import Supervisor
from models.lifecycle.fence import Fence
from tasks.execution.output_buffer import OutputBuffer
from tasks.execution.work import Work
from tasks.llm.models import Target
from tasks.llm.models import target as target_of
from tasks.llm.outgoing import Outgoing
from tasks.llm.transport import Transport
from tasks.llm.watch import Watch

CASSETTES = Path(__file__).parents[2] / "cassettes"
OPEN_PORT, KEYED_PORT = 19391, 19392
KEYED_SERVER = str(Path(__file__).with_name("keyed_server.py"))
BASE_PATHS = {"openai": "/v1", "anthropic": ""}
PROVIDERS = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
}
KEPT_HEADERS = {"content-type", "anthropic-version", "server", "retry-after"}
REAL_KEYS = {name: key for name, variable in PROVIDER_KEYS.items() if (key := os.getenv(variable))}


@dataclass(frozen=True)
class Kind:
    """The protocols in which the embedded server can show this, and whether providers can."""

    protocols: tuple[str, ...]
    port: int = OPEN_PORT
    provider: bool = True
    key: str | None = None


KINDS = {
    "protocol": Kind(("openai", "anthropic")),
    "json_protocol": Kind(("openai",)),  # llama.cpp forces JSON by OpenAI's protocol alone
    "wrong_key_protocol": Kind(("openai", "anthropic"), KEYED_PORT, key="not-the-key"),
    "embedded_protocol": Kind(("openai", "anthropic"), provider=False),
    "loose_protocol": Kind(("anthropic",), provider=False),
}


@dataclass(frozen=True)
class Server:
    """A cassette's source, as in its header."""

    name: str
    url: str
    model: str
    protocol: str


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One case for each protocol of the embedded server, and for each recorded provider."""
    for argument in KINDS.keys() & set(metafunc.fixturenames):
        kind = KINDS[argument]
        more = [p for p in PROVIDERS if kind.provider and _is_recorded(metafunc, p)]
        metafunc.parametrize(argument, list(dict.fromkeys([*kind.protocols, *more])))


def _is_recorded(metafunc: pytest.Metafunc, protocol: str) -> bool:
    if metafunc.config.getoption("--record-mode") not in (None, "none"):
        return protocol in REAL_KEYS
    name = f"{metafunc.function.__name__}[{protocol}].yaml"
    return (CASSETTES / Path(metafunc.module.__file__).stem / name).exists()


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    return str(CASSETTES / request.path.stem)


@pytest.fixture(scope="session")
def kinds() -> dict[str, tuple[str, ...]]:
    """The protocols in which a test must be recorded, by the argument that it takes."""
    return {argument: kind.protocols for argument, kind in KINDS.items()}


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The embedded model's server, and one that requires a key."""
    slot = ("--context", str(TOKENS_PER_SLOT), "--parallel", "1")
    plain = module_command(model_server.__name__, "--port", str(OPEN_PORT), *slot)
    with_key = (sys.executable, KEYED_SERVER, str(KEYED_PORT), uuid.uuid4().hex)
    commands = {OPEN_PORT: plain, KEYED_PORT: with_key}
    for port in commands:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                pytest.exit(f"Port {port} of 127.0.0.1 is taken; the cassettes name it: free it.")
    services = [
        Service(f"model-{port}", command, module_environ(os.environ), partial(_answers, port))
        for port, command in commands.items()
    ]
    with Supervisor(tmp_path_factory.mktemp("home"), lambda name, line: None) as supervisor:
        supervisor.start(services)
        yield


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).is_success
    except httpx.ConnectError:
        return False


@pytest.fixture
def server(
    request: pytest.FixtureRequest,
    record_mode: str,
    vcr_cassette_dir: str,
    default_cassette_name: str,
) -> Iterator[Server]:
    """The server to record, or the one named in the cassette that is replayed."""
    cassette = Path(vcr_cassette_dir, f"{default_cassette_name}.yaml")
    if record_mode != "none":
        yield (recorded := _to_record(request))
        _put_header(cassette, recorded)
    else:
        if not cassette.exists():
            pytest.fail(f"{cassette.name} is not recorded: run `make record`", pytrace=False)
        yield Server(**yaml.safe_load(cassette.read_text("utf-8"))["server"])


def _to_record(request: pytest.FixtureRequest) -> Server:
    kind, protocol = _requirement(request)
    if kind.provider and protocol in REAL_KEYS:
        models = (m.split("/", 1) for m in get_minds().intent_models)
        url, model = PROVIDERS[protocol], next(name for by, name in models if by == protocol)
        return Server(url.split("/")[2], url, model, protocol)
    request.getfixturevalue("embedded")
    name = f"llama.cpp (xllamacpp {version('xllamacpp')})"
    url = f"http://127.0.0.1:{kind.port}{BASE_PATHS[protocol]}"
    return Server(name, url, MODEL_NAME, protocol)


def _requirement(request: pytest.FixtureRequest) -> tuple[Kind, str]:
    argument = next(name for name in KINDS if name in request.fixturenames)
    return KINDS[argument], str(request.node.callspec.params[argument])


@pytest.fixture
def target(
    request: pytest.FixtureRequest, server: Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Target]:
    """The gateway's target, from our own settings."""
    real = server.url in PROVIDERS.values() and request.config.getoption("--record-mode")
    key = _requirement(request)[0].key or (REAL_KEYS.get(server.protocol) if real else None)
    for name in (*PROVIDER_KEYS.values(), "EMBEDDED_MODEL_URL", "MINDS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9")
    monkeypatch.setenv("SHARED_SECRET", "s" * 32)
    monkeypatch.setenv(PROVIDER_KEYS[server.protocol], key or "no-key")
    if server.protocol in BASE_PATHS:
        monkeypatch.setenv(f"{server.protocol.upper()}_API_BASE", server.url)
    get_settings.cache_clear()
    yield target_of(f"{server.protocol}/{server.model}")
    get_settings.cache_clear()


@pytest.fixture
def work() -> Work:
    """A job's generate stage, with a deadline in a minute."""
    fence = Fence(job_id="job", epoch=1, stage="generate", token=uuid.uuid4())
    given = {
        "fence": fence,
        "deadline": time.monotonic() + 60,
        "draft": OutputBuffer(0),
    }
    needed = [f.name for f in fields(Work) if f.default is f.default_factory is MISSING]
    values: dict[str, Any] = {name: given.get(name) for name in needed}
    return Work(**values)


@pytest.fixture
def vcr_config(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.node.get_closest_marker("vcr") is not None:
        # Asked for here, so that its header is written after VCR has saved the cassette.
        request.getfixturevalue("server")
    return {
        "match_on": ["method", "scheme", "host", "port", "path", "query", "body"],
        "filter_query_parameters": ["key"],
        "before_record_request": _without_headers,
        "before_record_response": _clean,
        "decode_compressed_response": True,
    }


@pytest.fixture(autouse=True)
def our_requests_are_recorded(vcr: Cassette | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """VCR does with our transport what it does with httpx's."""
    if vcr is None:
        return
    exchange = Transport.exchange

    def recorded(transport: Transport, request: Outgoing, watch: Watch) -> httpx.Response:
        def send(_: Transport, __: httpx.Request) -> httpx.Response:
            return exchange(transport, request, watch)

        handle: Any = vcr_handle_request(vcr, send, httpx)
        response: httpx.Response = handle(transport, request.for_httpx())
        return response

    monkeypatch.setattr(Transport, "exchange", recorded)


@pytest.fixture(autouse=True)
def every_recorded_answer_is_used(vcr: Cassette | None, record_mode: str) -> Iterator[None]:
    """To the code under test, a request without a match looks like a refused connection."""
    yield
    if vcr is not None:
        assert len(vcr) > 0
        assert record_mode != "none" or vcr.all_played


def _without_headers(request: Request) -> Request:
    request.headers = {k: v for k, v in request.headers.items() if k.lower() in KEPT_HEADERS}
    return request


def _clean(response: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in response["headers"].items() if k.lower() in KEPT_HEADERS}
    body = re.sub(rb'"[^"]*\.gguf"', b'"model"', response["body"]["string"])
    return {**response, "headers": kept, "body": {"string": body}}


def _put_header(cassette: Path, server: Server) -> None:
    if cassette.exists():
        recorded = yaml.safe_load(cassette.read_text("utf-8"))
        headed = {"server": asdict(server), **recorded}
        style = {"allow_unicode": True, "sort_keys": False, "width": 2**20}
        cassette.write_text(yaml.dump(headed, Dumper=_Readable, **style), "utf-8")


class _Readable(yaml.SafeDumper):
    """A YAML dumper that writes multi-line texts as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None)


_Readable.add_representer(str, _text)
