"""Keep the leases of the stages that run in this process, and their drafts, from the side."""

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import structlog

from config.settings import get_settings
from models.errors import DatabaseUnavailable
from models.lifecycle.ownership import extend_leases, hand_back, save_partials
from models.session import unit_of_work
from tasks.daemon_loop import DaemonLoop
from tasks.execution.output_buffer import Saved
from tasks.execution.work import Work

SAVE_S: Final = 2.0

log = structlog.get_logger(__name__)

_running: dict[UUID, Work] = {}
_saved: dict[UUID, int] = {}
_unsavable: set[UUID] = set()  # those of the running whose drafts can't be stored
_lock = threading.Lock()


@contextmanager
def beating(work: Work) -> Iterator[None]:
    """Extend the lease of this run while its body works; a run that lost it is told to stop."""
    with _lock:
        _running[work.fence.token] = work
    _heartbeat.start()
    _saver.start()
    try:
        yield
    finally:
        with _lock:
            _running.pop(work.fence.token, None)
            _saved.pop(work.fence.token, None)
            _unsavable.discard(work.fence.token)


def beat() -> None:
    """Extend every lease of this process once; stop the runs that do not own their stage now.

    A run past its limits is not extended: a call that hangs must not keep its lease for ever.
    """
    runs = {token: work for token, work in _runs().items() if not work.overtime}
    if not runs:
        return
    with unit_of_work() as session:
        owned = extend_leases(session, list(runs))
    _stop(runs.keys() - owned)


def save_drafts() -> None:
    """Keep the drafts that have grown since, so that a cancelled job shows what was generated.

    All in one statement; where that fails because of one of them, one by one, and without that one
    from then on. Raises DatabaseUnavailable.
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
    except Exception as error:  # noqa: BLE001 (the seam: it is one job's, and not the others')
        log.warning("drafts are saved one by one", drafts=len(grown), error=type(error).__name__)
        for token, saved in grown.items():
            _save_alone(token, saved)


def _save(grown: Mapping[UUID, Saved]) -> None:
    with unit_of_work() as session:
        owned = save_partials(session, {token: saved.columns for token, saved in grown.items()})
    with _lock:  # of the runs that are still there: the others have ended meanwhile
        _saved.update({t: saved.number for t, saved in grown.items() if t in _running})
    _stop(grown.keys() - owned)


def _save_alone(token: UUID, saved: Saved) -> None:
    try:
        _save({token: saved})
    except DatabaseUnavailable:
        raise
    except Exception:  # the seam: what can't be stored is this job's to end with
        with _lock:
            work = _running.get(token)
            if work is not None:
                _unsavable.add(token)
        if work is not None:
            log.exception("draft not saved", job_id=work.fence.job_id, **work.named)


def _stop(tokens: Collection[UUID]) -> None:
    """Stop the runs that do not own their stage any more."""
    for token, work in _runs().items():
        if token in tokens and not work.stop.is_set():
            log.warning("run lost its stage", job_id=work.fence.job_id, **work.named)
            work.stop.set()


def stop_job(job_id: str) -> None:
    """Tell the runs of a job, if any are here, that nobody wants them any more."""
    for work in _runs().values():
        if work.fence.job_id == job_id:
            log.info("run stopped", job_id=job_id, **work.named)
            work.stop.set()


def hand_all_back() -> int:
    """Give up every run of this process, in the database first; how many."""
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


# Two of them: no draft that is slow to save delays the leases. Both continue while the process
# drains, since its runs still own their stages. An outage may outlast the leases: then the fence of
# each write decides.
_heartbeat: Final = DaemonLoop("heartbeat", beat, lambda: get_settings().beat_s)
_saver: Final = DaemonLoop("draft-saver", save_drafts, lambda: min(SAVE_S, get_settings().beat_s))
