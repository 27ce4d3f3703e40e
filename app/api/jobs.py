"""/v1/jobs: submit, list, retrieve, follow, cancel and retry them."""

from functools import partial
from typing import Any

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from app.api.job_responses import (
    applied,
    created_at_once,
    created_job,
    job_response,
    respond_with_job,
    shown_job,
)
from app.api.webhooks import check_webhook_url
from app.apidoc.openapi import USER_SECURITY, operation_id, problems
from app.auth.stream_tokens import PARAMETER, create_stream_token, require_user_or_stream_token
from app.http.db import autocommit_session, db
from app.http.errors import CANCELLED_TOO_LATE
from app.http.idempotency import Created, create_once
from app.http.request_body import refuse_fields
from app.http.responses import NOT_MODIFIED, json_response
from app.limits.jobs import require_room
from app.schemas.cancellations import CancellationBody, CancelledJobs
from app.schemas.events import EventsHeaders, EventsQuery
from app.schemas.headers import ReadHeaders, SubmitHeaders, WaitHeaders
from app.schemas.jobs import (
    JobBody,
    JobPage,
    JobQuery,
    NewJob,
    PromptBody,
    deadline_of,
    job_body,
    prompt_body,
)
from app.schemas.paths import JobPath
from app.schemas.stream_tokens import StreamTokenBody
from app.schemas.times import timestamp
from app.streaming.job_stream import HAS_ALL, STREAM, job_lines
from app.streaming.prefer import respond_after
from app.streaming.resume import has_all, resume_after
from app.streaming.sse import sse_response
from models.conversations import find_message
from models.errors import NotFound
from models.job_lists import list_jobs
from models.job_options import Options
from models.jobs import Job, find_job
from tasks.jobs.cancellation import cancel_matching
from tasks.jobs.commands import cancel, retry
from tasks.jobs.submission import Submission, accept, known_model

api = APIBlueprint(
    "jobs",
    __name__,
    operation_id_callback=operation_id,
    url_prefix="/v1/jobs",
    abp_tags=[Tag(name="jobs", description="A job takes one message to one answer.")],
    abp_security=USER_SECURITY,
    abp_responses=problems(400, 401, 422, 429, 503),
)
api.before_request(require_user_or_stream_token)


@api.post("", responses={200: JobBody, 202: JobBody, **problems(402, 404, 409, 413, 415)})
def submit_job(header: SubmitHeaders, body: NewJob) -> Response:
    """Submit a job.

    The job is stored before the 202, and is certain to end. Retrieve it at `Location` after
    `Retry-After` seconds. With `Prefer: wait=N`, the status is 200 if the job ends in time.
    """
    check_webhook_url(body.webhook_url)
    fields: dict[str, Any] = body.model_dump(exclude={"model"}) | {
        "deadline_s": deadline_of(header, body.deadline_s),
        "options": Options(model=known_model(body.model)),
    }
    submission = Submission(user_id=g.user_id, **fields)

    def create() -> Created:
        require_room(db.session())
        return created_job(accept(db.session(), submission))

    return create_once(
        header.idempotency_key,
        create,
        lambda created: respond_with_job(created, header.wait),
        partial(created_at_once, submission) if submission.conversation_id is None else None,
    )


@api.post("/cancel", responses={200: CancellationBody, **problems(413, 415)})
def cancel_jobs(body: CancelledJobs) -> Response:
    """Cancel jobs.

    Cancels your unfinished jobs that match every field of the body, 1,000 at most, in batches: if
    the call breaks off, those cancelled so far stay cancelled.
    """
    done = cancel_matching(db.session(), g.user_id, **body.model_dump(exclude_unset=True))
    return json_response(CancellationBody(cancelled=done.cancelled, has_more=done.has_more))


@api.get("/<id:job_id>", responses={200: JobBody, 304: NOT_MODIFIED, **problems(404)})
def read_job(path: JobPath, header: ReadHeaders) -> Response:
    """Retrieve a job.

    A failed job is a 200 with an `error`. Until the job has ended, `Retry-After` says when to poll
    again. With `If-None-Match` and the last `ETag`, the status is 304 if nothing has changed. With
    `Prefer: wait=N`, the response comes when the job has ended, or after N seconds.
    """

    def respond(waited_s: int | None) -> Response:
        return applied(waited_s, shown_job(path.job_id))

    return respond_after([path.job_id], header.wait, respond)


@api.get("/<id:job_id>/events", responses={200: STREAM, 204: HAS_ALL, **problems(404)})
def read_events(path: JobPath, header: EventsHeaders, query: EventsQuery) -> Response:
    """Follow a job.

    Streams past and new events as server-sent events until the job ends. An event's `id` is its
    `sequence_number`; the numbers increase but are not consecutive. After a lost connection,
    reconnect with the last one to resume without missing or repeating an event.
    """
    job = _job(path)
    after = resume_after(job, header, query)
    if has_all(job, after):
        return Response(status=204)
    return sse_response(job_lines(job, after), [job])


@api.post("/<id:job_id>/stream-token", responses={200: StreamTokenBody, **problems(404, 413, 415)})
def create_token(path: JobPath) -> Response:
    """Create a stream token.

    For a browser's own `EventSource`, which can't send a header. For some minutes, until
    `expires_at`, the token opens and resumes the stream of this job, and nothing else; a stream
    that is open then goes on. The token and its stream end with the key or session that it was
    created with. Send no body or an empty object.
    """
    refuse_fields()
    job = _job(path)
    made = create_stream_token(job.id, g.grant)
    body = StreamTokenBody(
        job_id=job.id,
        token=made.token,
        expires_at=timestamp(made.expires_at),
        url=f"/v1/jobs/{job.id}/events?{PARAMETER}={made.token}",
    )
    return json_response(body)


@api.get("/<id:job_id>/prompt", responses={200: PromptBody, **problems(404)})
def read_prompt(path: JobPath) -> Response:
    """Retrieve a job's prompt.

    Returns the message as it was sent and as it was given to the model: the same, unless the
    compress stage has shortened it.
    """
    job = _job(path)
    message = find_message(db.session(), job.message_id)
    if message is None:
        raise NotFound("The job's message was deleted.")
    return json_response(prompt_body(job, message.content))


@api.post("/<id:job_id>/cancel", responses={200: JobBody, **problems(404, 409)})
def cancel_job(path: JobPath) -> Response:
    """Cancel a job.

    The job ends immediately, and its `output` is the text generated so far. Cancelling it again
    returns 200. If the job has ended otherwise, the status is 409, with a `code` that says how.
    """
    job = cancel(db.session(), g.user_id, path.job_id)
    if job.status != "cancelled":
        detail = f"The job can't be cancelled: it has ended as {job.status}."
        raise CANCELLED_TOO_LATE[job.status](detail)
    return job_response(job)


@api.post(
    "/<id:job_id>/retry",
    responses={200: JobBody, 202: JobBody, **problems(402, 404, 409, 413, 415)},
)
def retry_job(path: JobPath, header: WaitHeaders) -> Response:
    """Retry a job.

    Creates a new job with the same message, mind and metadata and the same time to run, if the job
    failed, was cancelled or expired. In a broadcast, the new job takes the old one's place. Send no
    body or an empty object. With `Prefer: wait=N`, the status is 200 if the new job ends in time.
    """
    refuse_fields()

    def create() -> Created:
        require_room(db.session())
        return created_job(retry(db.session(), g.user_id, path.job_id))

    return create_once(
        header.idempotency_key,
        create,
        lambda created: respond_with_job(created, header.wait),
    )


@api.get("", responses={200: JobPage})
def read_jobs(query: JobQuery) -> Response:
    """List jobs.

    Returns your jobs, newest first, optionally by status or conversation.
    """
    jobs = list_jobs(db.session(), g.user_id, **query.model_dump())
    return json_response(JobPage.of([job_body(job) for job in jobs], query.limit))


def _job(path: JobPath) -> Job:
    job = find_job(autocommit_session(), g.user_id, path.job_id)
    db.session.commit()  # a stream or a wait occupies no connection
    if job is None:
        raise NotFound("No such job.")
    return job
