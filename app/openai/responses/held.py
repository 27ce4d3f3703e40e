"""A call that is held until its response has ended.

As long as a router waits for the first byte, nothing is sent, so that the status can still tell the
outcome. After that, white space, which JSON allows before a value, keeps the connection open.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

import structlog

from app.http.errors import ResponseUnfinished
from app.http.problems import Problem
from app.openai.errors import openai_body
from app.openai.ids import response_id_of
from app.openai.responses.body import response_body
from app.openai.responses.calls import Call, is_answered, settle
from app.streaming.sse import Lines
from app.streaming.wait import wait_for_end
from config.outages import outages
from config.settings import get_settings
from models.errors import DatabaseUnavailable, NotFound
from models.jobs import UNFINISHED, Job, find_job
from models.session import unit_of_work

PAD: Final = "\n"
RETRY_AFTER_S: Final = 1

Waiting = AsyncGenerator[Job | None, None]

log = structlog.get_logger(__name__)


async def wait_for_answer(user_id: str, call: Call, again: Callable[[Call], Call]) -> Waiting:
    """Wait until a call's job has ended, for up to `RESPONSE_HOLD_S`.

    Yields None after `WAIT_MAX_S` and then whenever a heartbeat is due, and last the job, whose
    answer is then this call's alone. The job is unfinished if the time is over or this process
    shuts down.

    Args:
        again: finds another job, in a thread, if a later call has taken this one's over.

    Raises:
        DatabaseUnavailable: before the first item. After that, it waits for the database.
    """
    now = asyncio.get_running_loop().time
    until = now() + get_settings().response_hold_s
    due = now() + get_settings().wait_max_s
    answered = silent_no_more = False
    try:
        while True:
            try:
                goes_on = await wait_for_end(user_id, [call.job_id], min(due, until) - now())
                job = await asyncio.to_thread(_find, user_id, call.job_id)
                if job.status not in UNFINISHED:
                    answered = await asyncio.to_thread(is_answered, call)
                    if answered:
                        yield job
                        return
                    call = await asyncio.to_thread(again, call)
                    continue
            except DatabaseUnavailable as error:
                if not silent_no_more:
                    raise
                outages.note("database", error)
                await asyncio.sleep(RETRY_AFTER_S)
                continue
            if not goes_on or now() >= until:
                yield job
                return
            silent_no_more = True
            yield None
            due = now() + get_settings().heartbeat_s
    finally:
        if not answered:
            await asyncio.to_thread(settle, call, answered=False)


async def padded(waiting: Waiting) -> Lines:
    """A response's body, after white space for as long as it takes.

    The status has been sent by then. If the response is unfinished, the body is an object with an
    `error` and no `output`, so that no client takes it for an empty answer.
    """
    async with aclosing(waiting):
        yield PAD
        async for job in waiting:
            yield PAD if job is None else await asyncio.to_thread(_body_of, job)


def _body_of(job: Job) -> str:
    body = response_body(job).model_dump()
    if job.status in UNFINISHED:
        shown = ("id", "object", "created_at", "status", "model", "metadata")
        body = {name: body[name] for name in shown} | openai_body(unfinished(job)).model_dump()
    return json.dumps(body)


def unfinished(job: Job) -> Problem:
    """Return the problem of a call whose response has not ended in time."""
    name = response_id_of(job.id)
    detail = f"{name} has not ended yet and continues. Retrieve it: GET /v1/responses/{name}."
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return Problem(ResponseUnfinished, detail, headers=headers)


def _find(user_id: str, job_id: str) -> Job:
    with unit_of_work() as session:
        job = find_job(session, user_id, job_id)
    if job is None:
        raise NotFound("The job was deleted with its user.")
    return job
