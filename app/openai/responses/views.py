"""/v1/responses: the OpenAI Responses API, for the stock `openai` package."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import structlog
from flask import Response, copy_current_request_context, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from sqlalchemy.orm import Session

from app.apidoc.openapi import USER_SECURITY, described, operation_id
from app.auth.bearer import require_user
from app.http.connection import caller_watch
from app.http.db import db
from app.http.deferred import at_end, defer, resumption
from app.http.error_handlers import format_errors
from app.http.errors import CANCELLED_TOO_LATE, RequestTimeout
from app.http.idempotency import REPLAYED, Created, create_once, fingerprint
from app.http.problems import Problem, Refusal
from app.http.responses import json_response
from app.limits.jobs import require_room
from app.openai.declarations import failures
from app.openai.errors import answer_as_openai
from app.openai.ids import job_id_of
from app.openai.rate_limits import add_rate_limits
from app.openai.responses.body import ResponseBody, response_body
from app.openai.responses.calls import Call, note_read, remembered_for, settle
from app.openai.responses.held import Waiting, padded, unfinished, wait_for_answer
from app.openai.responses.request import NewResponse, ResponsePath, ResponseQuery, submission_of
from app.openai.responses.sse import response_lines
from app.openai.responses.watch import gone_callers, watch
from app.schemas.headers import ResponseHeaders
from app.streaming.access import hold_access, wait_under
from app.streaming.capacity import take_slot
from app.streaming.hub import get_hub
from app.streaming.resume import refuse_unsent
from app.streaming.sse import MEDIA_TYPE, open_soon, stream_response
from models.errors import NotFound
from models.jobs import UNFINISHED, Job, find_job
from models.open_calls import abandon_call, lock_call, open_call, take_over
from tasks.jobs.commands import cancel
from tasks.jobs.submission import accept

UNKNOWN: Final = "No such response."
NOT_STREAMED: Final = described(200, "application/json", ResponseBody)
DESCRIPTION: Final = """\
OpenAI's Responses API on top of jobs, for the stock `openai` package: set its `base_url` to `/v1` \
on this server and its key to a Trimind API key. A response is the job with the same ULID. \
Unsupported parameters are refused by name, and errors have OpenAI's format."""

log = structlog.get_logger(__name__)

api = APIBlueprint(
    "responses",
    __name__,
    operation_id_callback=operation_id,
    url_prefix="/v1/responses",
    abp_tags=[Tag(name="responses", description=DESCRIPTION)],
    abp_security=USER_SECURITY,
    abp_responses=failures(400, 401, 429, 503),
)
api.before_request(require_user)
api.after_request(add_rate_limits)
format_errors(api, answer_as_openai)


@api.post("", responses={200: ResponseBody, **failures(404, 409, 413, 415, 504)})
def create_response(header: ResponseHeaders, body: NewResponse) -> Response:
    """Create a response.

    Returns once the response has ended. If that takes longer than the server's `WAIT_MAX_S`, the
    connection is kept open by white space before the JSON, up to `RESPONSE_HOLD_S`. If the response
    has not ended by then, the body has an `error` that names it, and no `output`.

    With `background`, it returns immediately; with `stream`, it sends events as they happen.
    """
    if body.stream or not body.background:
        # First: a refused client must not leave a job behind.
        take_slot("stream" if body.stream else "wait")
    if header.idempotency_key is None:
        return _respond(body, _call(header, body))
    return create_once(
        header.idempotency_key,
        lambda: _create(body),
        lambda created: _respond_with_key(body, created),
    )


@api.get("/<id:response_id>", responses={200: ResponseBody, **failures(404)})
def read_response(path: ResponsePath, query: ResponseQuery) -> Response:
    """Retrieve a response.

    With `stream`, sends its events, all of them or those after `starting_after`. The events and
    their numbers are the same every time.
    """
    after = query.after
    job = _find(_job_id(path.response_id))
    note_read(job)
    if not query.stream:
        return json_response(response_body(job))
    if after is not None:
        refuse_unsent(job, after)
    take_slot("stream")
    open_soon([job])
    return stream_response(response_lines(job, after), MEDIA_TYPE)


@api.post("/<id:response_id>/cancel", responses={200: NOT_STREAMED, **failures(404)})
def cancel_response(path: ResponsePath) -> Response:
    """Cancel a response.

    It need not run in the background. Cancelling it again returns 200. If it has ended otherwise,
    the status is 400, with a message that says how.
    """
    job = cancel(db.session(), g.user_id, _job_id(path.response_id))
    body = response_body(job)
    if job.status != "cancelled":
        detail = f"Cannot cancel a response that is {body.status}."
        raise Refusal(Problem(CANCELLED_TOO_LATE[job.status], detail, status_here=400))
    return json_response(body)


def _respond_with_key(body: NewResponse, created: Created) -> Response:
    """Respond to a call with a key; in the background, with the response stored for it."""
    if body.background and not body.stream:
        return created.response()
    return _respond(body, Call(_job_id(created.id), replayed=created.replayed))


def _respond(body: NewResponse, call: Call) -> Response:
    if body.stream:
        job = _find(call.job_id)
        open_soon([job])
        return stream_response(response_lines(job, None, call), MEDIA_TYPE)
    if body.background:
        at_end(lambda sent: settle(call, answered=sent))
        return json_response(response_body(_find(call.job_id)))
    return _held(call)


def _held(call: Call) -> Response:
    """Respond once the response has ended; after `WAIT_MAX_S`, start to send and keep waiting."""
    resume = resumption()
    if call.caller is not None:
        kept = watch(call.caller, g.user_id, fingerprint(), caller_watch())
        call = replace(call, watch=kept)

    @copy_current_request_context
    def instead(taken_over: Call) -> Call:
        return resume(lambda: _instead_of(taken_over))

    waiting = wait_for_answer(g.user_id, call, instead)
    first: list[Job | None] = []
    access = hold_access()

    async def wait() -> None:
        wait_under(access)
        first.append(await anext(waiting))

    def after_wait() -> Response:
        access.require()
        return _held_answer(call, first[0], waiting)

    get_hub().open_soon([call.job_id])
    return defer(wait, after_wait)


def _held_answer(call: Call, job: Job | None, waiting: Waiting) -> Response:
    if job is None:
        response = stream_response(padded(waiting), "application/json")
    elif job.status in UNFINISHED:
        raise Refusal(unfinished(job))
    else:
        response = json_response(response_body(job))
    if call.replayed:
        response.headers[REPLAYED] = "true"
    return response


def _call(header: ResponseHeaders, body: NewResponse) -> Call:
    """Find the job of an earlier attempt that got no answer, or accept a new one."""
    session, this = db.session(), fingerprint()
    lock_call(session, g.user_id, this)
    for caller_gone in gone_callers(g.user_id, this):
        abandon_call(session, caller_gone, remembered_for())
    call = _earlier(session, this, retries=header.retries)
    if call is not None:
        session.commit()
        log.info("call matched to earlier attempt", job_id=call.job_id)
        return call
    if not body.background and caller_watch()():
        detail = "The client disconnected before the response was created."
        raise RequestTimeout(detail)
    require_room(session)
    job = accept(session, submission_of(session, g.user_id, body))
    kept = remembered_for()
    caller = open_call(session, g.user_id, this, job.id, kept, retries=header.retries)
    session.commit()
    return Call(job.id, caller)


def _earlier(session: Session, this: bytes, **more: Any) -> Call | None:
    found = take_over(session, g.user_id, this, remembered_for(), **more)
    return Call(found.job_id, found.caller) if found else None


def _instead_of(call: Call) -> Call:
    """Find another job for a call whose job was taken over, though its client seems connected: an
    abandoned call's, or else the same as its retry. No new job is created, since the client may
    have disconnected unnoticed."""
    other = _earlier(db.session(), fingerprint(), retries=1, lost_within=timedelta(0))
    db.session.commit()
    return other or replace(call, caller=None)


def _create(body: NewResponse) -> Created:
    require_room(db.session())
    shown = response_body(accept(db.session(), submission_of(db.session(), g.user_id, body)))
    return Created.of(shown.id, shown, 200)


def _job_id(response_id: str) -> str:
    job_id = job_id_of(response_id)
    if job_id is None:
        raise NotFound(UNKNOWN)
    return job_id


def _find(job_id: str) -> Job:
    """Read the user's job, and return the connection."""
    db.session.expire_all()
    job = find_job(db.session(), g.user_id, job_id)
    db.session.commit()
    if job is None:
        raise NotFound(UNKNOWN)
    return job
