"""Settings without servers, a job's work, and a scripted loopback server."""

import io
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import MISSING, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from config.minds import get_minds
from config.settings import PROVIDER_KEYS, get_settings
from models.lifecycle.fence import Fence
from tasks.execution.output_buffer import OutputBuffer
from tasks.execution.work import Work
from tasks.llm.models import Target

Answer = Callable[[BaseHTTPRequestHandler], None]
Serve = Callable[[Answer], str]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A monkeypatch for variables; no provider has a key until a test sets one."""
    unset = ("EMBEDDED_MODEL_URL", "MINDS_FILE", "OPENAI_API_BASE", "ANTHROPIC_API_BASE")
    for name in (*PROVIDER_KEYS.values(), *unset):
        monkeypatch.setenv(name, "")  # set, so that no .env file is used; empty counts as unset
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9")
    monkeypatch.setenv("SHARED_SECRET", "s" * 32)
    for cached in (get_settings, get_minds):
        cached.cache_clear()
    yield monkeypatch
    for cached in (get_settings, get_minds):
        cached.cache_clear()


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
def target_at() -> Callable[..., Target]:
    """`target_at(url, protocol)`: a model at that address, with a silence limit of 5 s."""

    def at(url: str, protocol: str = "openai", idle_s: float = 5) -> Target:
        base = url + {"openai": "/v1", "gemini": "/models/m"}.get(protocol, "")
        return Target(f"{protocol}/m", protocol, f"{protocol}/m", base, "the-key", 4096, idle_s)

    return at


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(answer)`: the URL of a server that answers each request with `answer`."""
    with ExitStack() as servers:
        yield lambda answer: _start(answer, servers)


def _start(answer: Answer, servers: ExitStack) -> str:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            # What `answer` can still read is the body.
            self.rfile = io.BytesIO(self.rfile.read(int(self.headers["content-length"])))
            self.close_connection = True
            with suppress(OSError):  # the client has left
                answer(self)

        def end_headers(self) -> None:
            # Say so, or the client's next request can meet the closing connection.
            self.send_header("Connection", "close")
            super().end_headers()

        def log_message(self, *_: object) -> None:
            """Suppress the access log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    servers.callback(thread.join)
    servers.callback(server.server_close)
    servers.callback(server.shutdown)
    return f"http://127.0.0.1:{server.server_address[1]}"
