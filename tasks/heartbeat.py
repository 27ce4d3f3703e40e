"""Keep the leases of the stages that run in this process, from one thread at their side."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import structlog

from models.errors import DatabaseUnavailable
from models.session import unit_of_work
from models.transitions import extend_leases
from tasks.work import Work

BEAT_S: Final = 10.0

log = structlog.get_logger(__name__)

# Set when this process must come to an end: whoever waits for something stops waiting.
stopping = threading.Event()

_running: dict[UUID, Work] = {}
_lock = threading.Lock()
_thread: threading.Thread | None = None


@contextmanager
def beating(work: Work) -> Iterator[None]:
    """Extend the lease of this run while its body works; a run that lost it is told to stop."""
    with _lock:
        _running[work.fence.token] = work
        _ensure_thread()
    try:
        yield
    finally:
        with _lock:
            del _running[work.fence.token]


def beat() -> None:
    """Extend every lease of this process once; stop the runs that do not own their stage now."""
    with _lock:
        runs = dict(_running)
    if not runs:
        return
    with unit_of_work() as session:
        owned = extend_leases(session, list(runs))
    for token in runs.keys() - owned:
        log.warning("run lost its stage", job_id=runs[token].fence.job_id)
        runs[token].stop.set()


def _ensure_thread() -> None:
    global _thread
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(target=_beat_for_ever, name="heartbeat", daemon=True)
        _thread.start()


def _beat_for_ever() -> None:
    while not stopping.wait(BEAT_S):
        try:
            beat()
        except DatabaseUnavailable as error:
            # The leases may run out meanwhile; the fence of each write decides who is too late.
            log.warning("heartbeat missed", error=str(error))
