"""Assigns a job's answer to one call, and to no other.

OpenAI's packages retry a call after a timeout or a lost connection, without a key, but with a count
of the retries. A retry gets the job of the first attempt, unless its answer was delivered.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from app.openai.responses.watch import Watch
from config.settings import get_settings
from models.errors import DatabaseUnavailable
from models.job_options import Options
from models.jobs import UNFINISHED, Job
from models.open_calls import Caller, abandon_call, close_call, delete_call
from models.session import unit_of_work

# A package may wait a little longer than we do, and pauses before a retry.
GRACE: Final = timedelta(minutes=5)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Call:
    """A call and the job that answers it.

    Attributes:
        caller: None if the answer isn't this call's alone: the call has an Idempotency-Key, or the
            client's own retry gets the answer too.
        replayed: whether an earlier call with the same key created the job.
        watch: kept while the call is held.
    """

    job_id: str
    caller: Caller | None = None
    replayed: bool = False
    watch: Watch | None = None


def remembered_for() -> timedelta:
    """How long an undelivered answer is kept for a retry."""
    return timedelta(seconds=get_settings().response_hold_s) + GRACE


def is_answered(call: Call) -> bool:
    """Assign the answer to this call. Returns False if another call has taken the job over. Raises
    DatabaseUnavailable."""
    if call.caller is None:
        return True
    with unit_of_work() as session:
        return close_call(session, call.caller)


def note_read(job: Job) -> None:
    """Record that a response was retrieved, so that the same call sent later gets a new job. Raises
    DatabaseUnavailable."""
    if job.status not in UNFINISHED and Options.of(job.options).background is False:
        with unit_of_work() as session:
            delete_call(session, job.id)


def note_streamed(job_id: str) -> None:
    """Record that a response was streamed to its end. Best effort: the stream can't fail any
    more."""
    try:
        with unit_of_work() as session:
            delete_call(session, job_id)
    except DatabaseUnavailable as error:
        log.warning("retrieval not recorded", job_id=job_id, error=str(error))


def settle(call: Call, *, answered: bool) -> None:
    """Record at the end of a call whether it was answered. Best effort: otherwise a retry that is
    counted as one gets the same job, and any other call a new one."""
    if call.caller is None:
        return
    try:
        with unit_of_work() as session:
            if answered:
                close_call(session, call.caller)
            else:
                abandon_call(session, call.caller, remembered_for())
    except DatabaseUnavailable as error:
        log.warning("call outcome not recorded", job_id=call.job_id, error=str(error))
