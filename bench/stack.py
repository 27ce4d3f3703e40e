"""A running Trimind with a mock provider, and clients of it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx

from tests.chaos.profiles import SHORT
from tests.chaos.stack import Stack
from tests.chaos.workers import Fleet


def stack(*, workers: int = 1, threads: int = 32, **environ: str) -> Stack:
    """Servers, web and provider, once it is entered; no worker is started yet."""
    return Stack(replace(SHORT, workers=workers, threads=threads, leases={}), **environ)


@contextmanager
def running_workers(of: Stack) -> Iterator[Fleet]:
    """The stack's workers, ready."""
    fleet = of.fleet()
    try:
        fleet.start()
        fleet.wait_until_ready()
        yield fleet
    finally:
        fleet.stop()


def client(of: Stack) -> httpx.Client:
    """A client of the web with a key."""
    headers = {"Authorization": f"Bearer {of.key}"}
    return httpx.Client(base_url=of.web, headers=headers, timeout=60)


def new_job(mark: str = "") -> dict[str, str]:
    """The body of a new job, which no other equals; the provider writes its mark down."""
    return {"message": f"Please consider [#{mark or secrets.token_hex(8)}] and answer."}
