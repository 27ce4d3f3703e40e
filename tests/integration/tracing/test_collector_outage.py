"""A collector that can't be reached, or never answers, delays nothing."""

import socket
from collections.abc import Callable, Iterator

import httpx
import pytest

from deploy.embedded.ports import free_port

from ...chaos.stack import Stack
from ...chaos.workers import Worker
from .conftest import Ask

Until = Callable[..., None]

JOBS = 3


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A port where nobody answers, nor listens until its test does."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


def test_jobs_are_answered_and_processes_end_although_it_never_answers(
    traced: Stack, ask: Ask, until: Until, stop: Callable[[Worker], None], taken: socket.socket
) -> None:
    taken.listen()
    address, variables = f"127.0.0.1:{free_port()}", {"OTEL_EXPORTER_OTLP_ENDPOINT": url_of(taken)}
    web = traced.start("web", BIND=address, **variables)
    worker = traced.worker(**variables).start()
    until(lambda: _answers(f"http://{address}/healthz"))
    for _ in range(JOBS):
        ask(f"http://{address}")
    stop(worker)
    web.ask_to_end()
    until(lambda: web.exit_code() is not None, 20)


def test_it_is_logged_once_a_minute_that_it_cannot_be_reached(
    traced: Stack, ask: Ask, until: Until, stop: Callable[[Worker], None], taken: socket.socket
) -> None:
    worker = traced.worker(OTEL_EXPORTER_OTLP_ENDPOINT=url_of(taken)).start()
    ask()

    def said() -> list[str]:
        return [str(line["event"]) for line in worker.lines() if "spans batch" in line["event"]]

    until(lambda: any("Failed to export" in each for each in said()), 60)
    ask()
    stop(worker)
    assert len(said()) == 2  # the attempts as one line, and the end of them


def url_of(taken: socket.socket) -> str:
    return f"http://127.0.0.1:{taken.getsockname()[1]}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False
