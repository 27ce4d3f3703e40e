"""A call that is held until its response has ended.

For as long as a router waits for a first byte, nothing is sent, so that the status can still say
what has happened. Then white space keeps the routers awake, which JSON allows before its value.
"""

import json
import time
from collections.abc import Callable, Generator, Iterator
from typing import Final

import structlog

from app.problem import Problem
from app.responses.body import response_body
from app.responses.calls import Call, is_answered, settle
from app.responses.errors import openai_body
from app.responses.ids import response_id_of
from app.stopping import is_stopping
from app.waiting import wait_for_end
from config.settings import get_settings
from models.errors import DatabaseUnavailable, NotFound
from models.jobs import UNFINISHED, Job, find_job
from models.session import unit_of_work

# Routers cut a response in which nothing comes for 30 s or more.
PAD_EVERY_S: Final = 15.0
PAD: Final = "\n"
RETRY_AFTER_S: Final = 1

Waiting = Generator[None, None, Job]

log = structlog.get_logger(__name__)


def wait_for_answer(user_id: str, call: Call, again: Callable[[], Call]) -> Waiting:
    """Wait until the job of a call has ended, `RESPONSE_HOLD_S` at most; yields after `WAIT_MAX_S`,
    and then each time that a sign of life is due. The job at last, whose answer is this call's
    alone; unfinished where the time is over, or this process ends.

    `again` gives another job, where a later call has taken this one's answer. Raises
    DatabaseUnavailable before the first yield; after that it waits until the database is back.
    """
    now = time.monotonic
    until = now() + get_settings().response_hold_s
    due = now() + get_settings().wait_max_s
    answered = silent_no_more = False
    try:
        while True:
            try:
                job = _wait(user_id, call, min(due, until) - now())
                if job.status not in UNFINISHED and not call.has_gone():
                    answered = is_answered(call)
                    if answered:
                        return job
                    call = again()
                    continue
            except DatabaseUnavailable as error:
                if not silent_no_more:
                    raise
                log.warning("held call waits for the database", error=str(error))
                time.sleep(RETRY_AFTER_S)
                continue
            if is_stopping() or call.has_gone() or now() >= until:
                return job
            silent_no_more = True
            yield
            due = now() + PAD_EVERY_S
    finally:
        if not answered:
            settle(call, answered=False)


def padded(waiting: Waiting) -> Iterator[str]:
    """A response's body, with white space before it until it is there. The status is sent by then:
    of an unfinished response comes an object that is an error and has no `output`, so that no
    client takes it for an empty answer."""
    try:
        while True:
            yield PAD
            next(waiting)
    except StopIteration as over:
        job: Job = over.value
        body = response_body(job).model_dump()
        if job.status in UNFINISHED:
            shown = ("id", "object", "created_at", "status", "model", "metadata")
            body = {name: body[name] for name in shown} | openai_body(unfinished(job)).model_dump()
        yield json.dumps(body)
    finally:
        waiting.close()


def unfinished(job: Job) -> Problem:
    """The failure of a call that is held no longer."""
    name = response_id_of(job.id)
    detail = f"{name} has not ended yet, and goes on. Read it: GET /v1/responses/{name}."
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return Problem(504, "response_unfinished", detail, headers=headers)


def _wait(user_id: str, call: Call, seconds: float) -> Job:
    wait_for_end(user_id, [call.job_id], seconds, call.has_gone)
    with unit_of_work() as session:
        job = find_job(session, user_id, call.job_id)
    if job is None:
        raise NotFound("The job is gone, and its user with it.")
    return job
