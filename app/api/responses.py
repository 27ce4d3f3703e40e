"""/v1/responses: the OpenAI Responses API, for the stock `openai` package."""

from typing import Final

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from app.api.answers import answer
from app.auth import require_user
from app.db import db
from app.idempotency import REPLAYED, Created, create_once
from app.openapi import USER_SECURITY, described, failures, operation_id
from app.places import places, take_place
from app.preferences import wait_if_preferred
from app.problem import Problem, Refusal
from app.responses.body import ResponseBody, response_body
from app.responses.ids import job_id_of
from app.responses.lines import response_lines
from app.responses.request import NewResponse, ResponseQuery, submission_of
from app.resuming import refuse_unsent
from app.schemas.headers import CreateHeaders
from app.schemas.paths import ResponsePath
from app.sse import opened, sse_response
from config.settings import get_settings
from models.errors import NotFound
from models.jobs import Job, find_job
from tasks.pipeline import accept, cancel, publish

UNKNOWN: Final = "There is no such response."
# The codes of a cancel that comes too late, by how the job ended.
ENDED: Final = {"completed": "job_completed", "failed": "job_failed", "expired": "job_expired"}
NOT_STREAMED: Final = described(200, "application/json", ResponseBody)
DESCRIPTION: Final = """\
OpenAI's Responses API over jobs, for the stock `openai` package: its `base_url` is `/v1` here, its
key one of Trimind's. A response is the job of the same ULID. Parameters that would do nothing here
are refused by name, and failures have OpenAI's shape."""

api = APIBlueprint(
    "responses",
    __name__,
    operation_id_callback=operation_id,
    url_prefix="/v1/responses",
    abp_tags=[Tag(name="responses", description=DESCRIPTION)],
    abp_security=USER_SECURITY,
    abp_responses=failures(400, 401, 503),
)
api.before_request(require_user)


@api.post("", responses={200: ResponseBody, **failures(404, 409, 413, 415)})
def create_response(header: CreateHeaders, body: NewResponse) -> Response:
    """Create a response
    Answers when it has ended, or after `WAIT_MAX_S` seconds as it is then: go on reading it. In the
    `background` it answers at once; with `stream`, by events while the response is made."""
    if body.stream:
        return _create_streamed(header, body)
    created = create_once(header.idempotency_key, lambda: _create(body))
    if body.background:
        return created
    job_id = _job_id_in(created)
    wait_if_preferred(g.user_id, [job_id], get_settings().wait_max_s)
    waited = answer(response_body(_find(job_id)))
    waited.headers.update({name: v for name, v in created.headers if name == REPLAYED})
    return waited


@api.get("/<id:response_id>", responses={200: ResponseBody, **failures(404)})
def read_response(path: ResponsePath, query: ResponseQuery) -> Response:
    """Read a response
    With `stream` by its events, from the first one or from the one after `starting_after`: the same
    events with the same numbers, wherever and however often it is read."""
    after = query.after
    job = _find(job_id_of(path.response_id))
    if not query.stream:
        return answer(response_body(job))
    if after is not None:
        refuse_unsent(job, after)
    return sse_response(response_lines(job, after))


@api.post("/<id:response_id>/cancel", responses={200: NOT_STREAMED, **failures(404)})
def cancel_response(path: ResponsePath) -> Response:
    """Cancel a response
    In the background or not. Cancelling it again is a 200 as well; one that has ended otherwise is
    refused, with a message that says how."""
    job_id = job_id_of(path.response_id)
    if job_id is None:
        raise NotFound(UNKNOWN)
    job = cancel(db.session(), g.user_id, job_id)
    body = response_body(job)
    if job.status != "cancelled":
        detail = f"Cannot cancel a response that is {body.status}."
        raise Refusal(Problem(400, ENDED[job.status], detail))
    return answer(body)


def _create(body: NewResponse) -> Created:
    submission = submission_of(db.session(), g.user_id, body)
    job = accept(db.session(), submission)
    return Created(answer(response_body(job)), then=lambda: publish(job, submission.message))


def _create_streamed(header: CreateHeaders, body: NewResponse) -> Response:
    """Take a place first: a client that is told to come again must not leave a job behind."""
    take_place()
    try:
        job = _find(_job_id_in(create_once(header.idempotency_key, lambda: _create(body))))
    except BaseException:
        places().release()
        raise
    return opened(response_lines(job, None))


def _job_id_in(created: Response) -> str:
    job_id = job_id_of(created.get_json()["id"])
    assert job_id is not None  # noqa: S101 (it is ours)
    return job_id


def _find(job_id: str | None) -> Job:
    """The caller's job as it is now; no connection is held after it."""
    db.session.expire_all()
    job = find_job(db.session(), g.user_id, job_id) if job_id else None
    db.session.commit()
    if job is None:
        raise NotFound(UNKNOWN)
    return job
