"""A stack that sends its traces to a collector."""

import secrets
import signal
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from ...chaos.profiles import SHORT
from ...chaos.stack import Stack
from ...chaos.workers import Worker
from .collector import CLIENT, Collector, Span, collecting

# In every message, and in no trace.
CANARY = "kanarienvogel"
# These processes send their spans soon.
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100"}

# A request, its job's four stages, and one call.
ALL = 6

Ask = Callable[..., dict[str, Any]]


def traceparent() -> tuple[str, str, str]:
    """The trace and the span of a caller, and both as the header."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    return trace_id, span_id, f"00-{trace_id}-{span_id}-01"


def named(spans: list[Span], name: str) -> list[Span]:
    """Those of this name."""
    return [span for span in spans if span.name == name]


def calls(spans: list[Span]) -> list[Span]:
    """Those of calls to models."""
    return [span for span in spans if span.kind == CLIENT]


def is_of(job: dict[str, Any], line: dict[str, Any]) -> bool:
    """Whether a line of the log is about a job."""
    return bool(line.get("job_id") == job["id"])


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="session")
def traced(collector: Collector) -> Iterator[Stack]:
    with Stack(SHORT, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **SOON) as stack:
        yield stack


@pytest.fixture(scope="module", params=["local", "broker"])
def worker(traced: Stack, request: pytest.FixtureRequest) -> Iterator[Worker]:
    """Its stages go on in one thread, or by the broker. No other worker runs beside it."""
    running = traced.worker(STAGE_HOPS=request.param).start()
    yield running
    running.kill()


@pytest.fixture
def ask(traced: Stack) -> Ask:
    """`ask(**headers)`: send a message and wait for the end of its job, which it returns."""

    def send(web: str = traced.web, **headers: str) -> dict[str, Any]:
        body = {"message": f"Does a {CANARY} sing? [#{secrets.token_hex(8)}]"}
        sent = {"Authorization": f"Bearer {traced.key}", "Prefer": "wait=25", **headers}
        response = httpx.post(f"{web}/v1/jobs", json=body, headers=sent, timeout=40)
        job: dict[str, Any] = response.json()
        assert job["status"] == "completed", response.text
        return job

    return send


@pytest.fixture
def stop(until: Callable[..., None]) -> Callable[[Worker], None]:
    """`stop(worker)`: end it by SIGTERM, and wait until it has ended."""

    def end(running: Worker) -> None:
        running.signal(signal.SIGTERM)
        until(lambda: not running.alive(), 20)

    return end
