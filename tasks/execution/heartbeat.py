"""Extend the leases of the runs in this process and save their drafts, in threads of their own."""

import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import structlog

from config.once import once
from config.settings import get_settings
from models.errors import DatabaseUnavailable, Superseded
from models.lifecycle.ownership import extend_leases, hand_back, save_partials
from models.session import unit_of_work
from tasks.daemon_loop import DaemonLoop
from tasks.execution.output_buffer import Saved
from tasks.execution.work import Work
from tasks.resilience.transaction import run_transaction_with_retry

SAVE_S: Final = 2.0

log = structlog.get_logger(__name__)

_running: dict[UUID, Work] = {}
_saved: dict[UUID, int] = {}
_unsavable: set[UUID] = set()  # runs whose drafts can't be stored
_lock = threading.Lock()


@contextmanager
def beating(work: Work) -> Iterator[None]:
    """Extend this run's lease while its body works; a run that loses its lease is stopped."""
    keep(work)
    _heartbeat.start()
    _saver.start()
    try:
        yield
    finally:
        release(work)


def keep(work: Work) -> None:
    """Extend this run's lease from now on."""
    with _lock:
        _running[work.fence.token] = work


def release(work: Work) -> None:
    """Leave this run's lease alone from now on."""
    with _lock:
        _running.pop(work.fence.token, None)
        _saved.pop(work.fence.token, None)
        _unsavable.discard(work.fence.token)


def confirm(work: Work) -> None:
    """Make sure that a run which has waited for the database still owns its stage, before it makes
    a call that costs money. Costs nothing while its first lease lasts.

    Raises:
        Superseded: another run may own the stage.
        DatabaseUnavailable, CircuitOpen: as `run_transaction_with_retry`.
    """
    if time.monotonic() - work.began <= get_settings().lease_s:
        return
    token = work.fence.token
    owned = run_transaction_with_retry(lambda each: extend_leases(each, [token]), work.deadline)
    if token not in owned:
        raise Superseded("another run has begun, or the job has ended")


def running() -> int:
    """How many stages run in this process."""
    return len(_running)


def beat() -> None:
    """Extend every lease of this process once; stop the runs that no longer own their stage.

    A run past its time limit is not extended, so that a call that hangs can't keep its lease.
    """
    runs = {token: work for token, work in _runs().items() if not work.overtime}
    if not runs:
        return
    with unit_of_work() as session:
        owned = extend_leases(session, list(runs))
    _stop(runs.keys() - owned)


def save_drafts() -> None:
    """Save the drafts that have grown, so that a cancelled job shows what was generated.

    One statement saves them all. If one draft makes it fail, each is saved by itself, and that one
    is left out from then on.

    Raises:
        DatabaseUnavailable: no draft was saved, or not all of them.
    """
    drafts = {token: work.draft.saved() for token, work in _runs().items() if work.draft.text}
    grown = {
        token: saved
        for token, saved in drafts.items()
        if saved.number > _saved.get(token, 0) and token not in _unsavable
    }
    if not grown:
        return
    try:
        _save(grown)
    except DatabaseUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 (boundary: one draft must not fail the others)
        log.warning("saving drafts one by one", drafts=len(grown), error=type(error).__name__)
        for token, saved in grown.items():
            _save_alone(token, saved)


def _save(grown: Mapping[UUID, Saved]) -> None:
    with unit_of_work() as session:
        owned = save_partials(session, {token: saved.columns for token, saved in grown.items()})
    with _lock:  # only of runs that have not ended meanwhile
        _saved.update({t: saved.number for t, saved in grown.items() if t in _running})
    _stop(grown.keys() - owned)


def _save_alone(token: UUID, saved: Saved) -> None:
    try:
        _save({token: saved})
    except DatabaseUnavailable:
        raise
    except Exception:  # boundary: a draft that can't be stored fails its own job alone
        with _lock:
            work = _running.get(token)
            if work is not None:
                _unsavable.add(token)
        if work is not None:
            log.exception("draft not saved", job_id=work.fence.job_id, **work.named)


def _stop(tokens: Collection[UUID]) -> None:
    """Stop the runs that no longer own their stage."""
    for token, work in _runs().items():
        if token in tokens and not work.stop.is_set():
            log.warning("run lost its stage", job_id=work.fence.job_id, **work.named)
            work.stop.set()


def stop_job(job_id: str) -> None:
    """Stop the runs of a cancelled job, if this process has any."""
    for work in _runs().values():
        if work.fence.job_id == job_id:
            log.info("run stopped", job_id=job_id, **work.named)
            work.stop.set()


def hand_all_back() -> int:
    """Give up every run of this process, in the database first. Return how many."""
    runs = _runs()
    if not runs:
        return 0
    with unit_of_work() as session:
        given = hand_back(session, list(runs))
    for work in runs.values():
        work.stop.set()
    return given


def _runs() -> dict[UUID, Work]:
    with _lock:
        return dict(_running)


@once
def _beat_s() -> float:
    return get_settings().beat_s


# Two threads, so that slow saves don't delay the leases. Both continue while the process drains,
# since its runs still own their stages. An outage can outlast the leases: then the fence of each
# write decides.
_heartbeat: Final = DaemonLoop("heartbeat", beat, _beat_s)
_saver: Final = DaemonLoop("draft-saver", save_drafts, lambda: min(SAVE_S, _beat_s()))
