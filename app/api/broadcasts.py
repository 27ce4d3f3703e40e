"""/v1/broadcasts: send one message to several minds; retrieve, follow, cancel, merge, choose."""

from collections.abc import Callable

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from app.api.job_responses import (
    applied,
    broadcast_response,
    created_broadcast,
    created_job,
    respond_with_job,
)
from app.api.webhooks import check_webhook_url
from app.apidoc.openapi import USER_SECURITY, operation_id, problems
from app.auth.bearer import require_user
from app.http.db import db
from app.http.idempotency import Created, create_once
from app.http.responses import NOT_MODIFIED, if_changed, json_response
from app.limits.jobs import require_room
from app.schemas.broadcasts import (
    BroadcastBody,
    BroadcastPage,
    BroadcastQuery,
    Choice,
    NewBroadcast,
    NewMerge,
    broadcast_body,
)
from app.schemas.events import BroadcastEventsHeaders, BroadcastEventsQuery
from app.schemas.headers import ReadHeaders, SubmitHeaders
from app.schemas.jobs import JobBody, deadline_of
from app.schemas.paths import BroadcastPath
from app.streaming.broadcast_stream import BROADCAST_STREAM, broadcast_lines, positions_of
from app.streaming.job_stream import HAS_ALL
from app.streaming.prefer import respond_after
from app.streaming.sse import sse_response
from config.minds import get_minds
from models.broadcasts import BroadcastJobs, gather, list_broadcasts
from models.conflicts import BroadcastEnded
from models.job_options import Options
from tasks.jobs import broadcasts
from tasks.jobs.submission import Submission, known_model

api = APIBlueprint(
    "broadcasts",
    __name__,
    operation_id_callback=operation_id,
    url_prefix="/v1/broadcasts",
    abp_tags=[
        Tag(
            name="broadcasts",
            description="Send a message to several minds, then merge or choose their answers.",
        )
    ],
    abp_security=USER_SECURITY,
    abp_responses=problems(400, 401, 422, 429, 503),
)
api.before_request(require_user)


@api.post(
    "", responses={200: BroadcastBody, 202: BroadcastBody, **problems(402, 404, 409, 413, 415)}
)
def submit_broadcast(header: SubmitHeaders, body: NewBroadcast) -> Response:
    """Create a broadcast.

    Sends a message to several minds. Each mind gets its own job; all jobs are stored before the
    202, and each ends whatever happens to the others. Retrieve them together at `Location`. With
    `Prefer: wait=N`, the status is 200 if all jobs end in time.
    """
    deadline_s = deadline_of(header, body.deadline_s)
    check_webhook_url(body.webhook_url)
    fields = body.model_dump(exclude={"minds", "deadline_s", "model"})
    options = Options(model=known_model(body.model))
    submission = Submission(user_id=g.user_id, deadline_s=deadline_s, options=options, **fields)

    def create() -> Created:
        require_room(db.session(), len(body.minds or get_minds().minds))
        return created_broadcast(broadcasts.accept(db.session(), submission, body.minds))

    return create_once(
        header.idempotency_key,
        create,
        lambda created: _respond(created, header.wait),
    )


@api.get("", responses={200: BroadcastPage})
def read_broadcasts(query: BroadcastQuery) -> Response:
    """List broadcasts.

    Returns your broadcasts with their jobs, newest first, optionally of one conversation.
    """
    found = list_broadcasts(db.session(), g.user_id, **query.model_dump())
    bodies = [broadcast_body(whole) for whole in gather(db.session(), found)]
    return json_response(BroadcastPage.of(bodies, query.limit))


@api.get(
    "/<id:broadcast_id>",
    responses={200: BroadcastBody, 304: NOT_MODIFIED, **problems(404)},
)
def read_broadcast(path: BroadcastPath, header: ReadHeaders) -> Response:
    """Retrieve a broadcast.

    Returns the broadcast with its jobs and their total usage. Until all jobs have ended,
    `Retry-After` says when to poll again. With `If-None-Match` and the last `ETag`, the status is
    304 if nothing has changed. With `Prefer: wait=N`, the response comes when all jobs have ended,
    or after N seconds.
    """

    def respond(whole: BroadcastJobs, waited_s: int | None) -> Response:
        return if_changed(applied(waited_s, broadcast_response(whole)))

    return _after_wait(path.broadcast_id, header.wait, respond)


@api.get(
    "/<id:broadcast_id>/events",
    responses={200: BROADCAST_STREAM, 204: HAS_ALL, **problems(404)},
)
def read_broadcast_events(
    path: BroadcastPath, header: BroadcastEventsHeaders, query: BroadcastEventsQuery
) -> Response:
    """Follow a broadcast.

    Streams the events of all jobs as server-sent events until the last job ends. After a lost
    connection, reconnect with the last `id` to resume without missing or repeating an event.
    """
    whole = broadcasts.read(db.session(), g.user_id, path.broadcast_id)
    db.session.commit()  # a stream occupies no connection
    after = positions_of(whole, header, query)
    if after is None:
        return Response(status=204)
    return sse_response(broadcast_lines(g.user_id, whole, after), whole.tries)


def _respond(created: Created, wait_s: int | None) -> Response:
    """Respond to the submission of a broadcast, now or after a wait."""
    if wait_s is None:
        return created.response()

    def respond(whole: BroadcastJobs, waited_s: int | None) -> Response:
        now = broadcast_response(whole, 200 if whole.ended else 202)
        return applied(waited_s, created.mark(now))

    return _after_wait(created.id, wait_s, respond)


def _after_wait(
    broadcast_id: str, wait_s: int | None, respond: Callable[[BroadcastJobs, int | None], Response]
) -> Response:
    """Respond once the broadcast's jobs have ended or the wait is over.

    Args:
        respond: gets the broadcast, and the seconds granted, or None if there was no wait.
    """

    def read() -> BroadcastJobs:
        db.session.expire_all()  # a job that was just accepted may have changed
        return broadcasts.read(db.session(), g.user_id, broadcast_id)

    job_ids = [job.id for job in read().siblings]
    return respond_after(job_ids, wait_s, lambda waited_s: respond(read(), waited_s))


@api.post("/<id:broadcast_id>/cancel", responses={200: BroadcastBody, **problems(404, 409)})
def cancel_broadcast(path: BroadcastPath) -> Response:
    """Cancel a broadcast.

    Ends every unfinished job immediately, including a merge; completed jobs keep their answers.
    Cancelling it again returns 200. If all jobs have ended and none was cancelled, the status is
    409.
    """
    whole = broadcasts.cancel(db.session(), g.user_id, path.broadcast_id)
    if not any(job.status == "cancelled" for job in whole.jobs):
        detail = f"The broadcast can't be cancelled: it has ended as {whole.status}."
        raise BroadcastEnded(detail)
    return broadcast_response(whole)


@api.post(
    "/<id:broadcast_id>/merge",
    responses={200: JobBody, 202: JobBody, **problems(402, 404, 409, 413, 415)},
)
def merge_answers(path: BroadcastPath, header: SubmitHeaders, body: NewMerge) -> Response:
    """Merge the answers of a broadcast.

    Creates a job of the mind `manager`, which combines all answers into one. Every mind must have
    ended. Once the merge is completed, every mind continues from its answer. With `Prefer: wait=N`,
    the status is 200 if the merge ends in time.
    """
    deadline_s = deadline_of(header, body.deadline_s)

    def create() -> Created:
        require_room(db.session())
        merge = broadcasts.accept_merge(
            db.session(),
            g.user_id,
            path.broadcast_id,
            metadata=body.metadata,
            deadline_s=deadline_s,
        )
        return created_job(merge)

    return create_once(
        header.idempotency_key, create, lambda created: respond_with_job(created, header.wait)
    )


@api.post("/<id:broadcast_id>/choose", responses={200: BroadcastBody, **problems(404, 413, 415)})
def choose_answer(path: BroadcastPath, body: Choice) -> Response:
    """Choose an answer of a broadcast.

    Every mind continues from it, including minds that were not part of the broadcast. The latest
    choice or merge wins.
    """
    return broadcast_response(
        broadcasts.choose(db.session(), g.user_id, path.broadcast_id, body.job_id)
    )
