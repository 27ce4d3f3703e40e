"""Which job a call gets its answer from, and that no other call gets it too.

OpenAI's packages send a call again after a time-out or a lost connection, without a key, but with
a count of its retries. What was made for it the first time is what it gets, if nobody has had it.
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
from models.open_calls import Caller, abandon_call, close_call, forget_call
from models.session import unit_of_work

# A package's own limit for a call may be a little longer than ours, and it pauses before a retry.
GRACE: Final = timedelta(minutes=5)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Call:
    """A call and the job that answers it. `caller` is None where the answer is not this call's
    alone: an Idempotency-Key says who may have it, or the caller's own retry gets it too.
    `replayed`: it was made by an earlier call with that key. `watch` is kept while it is held."""

    job_id: str
    caller: Caller | None = None
    replayed: bool = False
    watch: Watch | None = None


def remembered_for() -> timedelta:
    """How long an answer that nobody has had is kept for who asks again."""
    return timedelta(seconds=get_settings().response_hold_s) + GRACE


def is_answered(call: Call) -> bool:
    """Give the answer to this call. False: another one has taken it over. Raises
    DatabaseUnavailable."""
    if call.caller is None:
        return True
    with unit_of_work() as session:
        return close_call(session, call.caller)


def note_read(job: Job) -> None:
    """Note that whoever may have gone without an answer reads it after all, so that the same call
    sent later is another one. Raises DatabaseUnavailable."""
    if job.status not in UNFINISHED and Options.of(job.options).background is False:
        with unit_of_work() as session:
            forget_call(session, job.id)


def note_streamed(job_id: str) -> None:
    """The same at the end of a stream, where it is too late to refuse anything: best effort."""
    try:
        with unit_of_work() as session:
            forget_call(session, job_id)
    except DatabaseUnavailable as error:
        log.warning("reading not noted", job_id=job_id, error=str(error))


def settle(call: Call, *, answered: bool) -> None:
    """Note at the end of a call whether it was answered. Best effort: else who asks again and says
    so gets what was made, and who does not say so something new."""
    if call.caller is None:
        return
    try:
        with unit_of_work() as session:
            if answered:
                close_call(session, call.caller)
            else:
                abandon_call(session, call.caller, remembered_for())
    except DatabaseUnavailable as error:
        log.warning("call not settled", job_id=call.job_id, error=str(error))
