"""/v1/broadcasts: one message to several minds; read them together, cancel, merge, choose."""

from collections.abc import Callable

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from app.api.job_answers import (
    applied,
    broadcast_answer,
    job_answer,
    location_id,
    waited_answer,
)
from app.apidoc.openapi import USER_SECURITY, operation_id, problems
from app.auth.bearer import require_user
from app.http.answers import NOT_MODIFIED, answer, if_changed
from app.http.db import db
from app.http.idempotency import Created, create_once
from app.http.problems import Problem, Refusal
from app.schemas.broadcasts import (
    BroadcastBody,
    BroadcastPage,
    Choice,
    NewBroadcast,
    NewMerge,
    broadcast_body,
)
from app.schemas.events import BroadcastEventsHeaders, BroadcastEventsQuery
from app.schemas.headers import ReadHeaders, SubmitHeaders
from app.schemas.jobs import JobBody, deadline_of
from app.schemas.lists import PageQuery
from app.schemas.paths import BroadcastPath
from app.streaming.broadcast_stream import BROADCAST_STREAM, broadcast_lines, places_of
from app.streaming.job_stream import HAS_ALL
from app.streaming.prefer import answer_after
from app.streaming.sse import sse_response
from models.broadcasts import BroadcastJobs, gather, list_broadcasts
from tasks.jobs import broadcasts
from tasks.jobs.pipeline import Submission, publish

api = APIBlueprint(
    "broadcasts",
    __name__,
    operation_id_callback=operation_id,
    url_prefix="/v1/broadcasts",
    abp_tags=[Tag(name="broadcasts", description="One message to several minds.")],
    abp_security=USER_SECURITY,
    abp_responses=problems(400, 401, 422, 503),
)
api.before_request(require_user)


@api.post("", responses={200: BroadcastBody, 202: BroadcastBody, **problems(404, 409, 413, 415)})
def submit_broadcast(header: SubmitHeaders, body: NewBroadcast) -> Response:
    """Send a message to several minds
    Each gets a job of its own; all are stored before this answers 202, and will end, one whatever
    becomes of the others. Read them together at `Location`. With `Prefer: wait=N` a broadcast whose
    jobs all end in time is a 200."""
    deadline_s = deadline_of(header, body.deadline_s)
    fields = body.model_dump(exclude={"minds", "deadline_s"})
    submission = Submission(user_id=g.user_id, deadline_s=deadline_s, **fields)

    def create() -> Created:
        whole = broadcasts.accept(db.session(), submission, body.minds)
        answer = broadcast_answer(whole, 202, Location=f"/v1/broadcasts/{whole.broadcast.id}")
        return Created(answer, then=lambda: broadcasts.publish(whole.siblings, body.message))

    created = create_once(header.idempotency_key, create)
    if header.wait is None:
        return created

    def answer_now(whole: BroadcastJobs, waited_s: int | None) -> Response:
        return applied(waited_s, created, broadcast_answer(whole, 200 if whole.ended else 202))

    return _after_wait(location_id(created), header.wait, answer_now)


@api.get("", responses={200: BroadcastPage})
def read_broadcasts(query: PageQuery) -> Response:
    """List broadcasts, newest first
    Each with all of its jobs."""
    found = list_broadcasts(db.session(), g.user_id, **query.model_dump())
    bodies = [broadcast_body(whole) for whole in gather(db.session(), found)]
    return answer(BroadcastPage.of(bodies, query.limit))


@api.get(
    "/<id:broadcast_id>",
    responses={200: BroadcastBody, 304: NOT_MODIFIED, **problems(404)},
)
def read_broadcast(path: BroadcastPath, header: ReadHeaders) -> Response:
    """Read a broadcast
    With all of its jobs, and what they cost together. While one is unfinished, `Retry-After` says
    when it is worth asking again. With `If-None-Match` and the last `ETag` one that has not changed
    is a 304; with `Prefer: wait=N` the answer comes when all have ended, or N seconds later."""

    def answer_now(whole: BroadcastJobs, waited_s: int | None) -> Response:
        return if_changed(applied(waited_s, None, broadcast_answer(whole)))

    return _after_wait(path.broadcast_id, header.wait, answer_now)


@api.get(
    "/<id:broadcast_id>/events",
    responses={200: BROADCAST_STREAM, 204: HAS_ALL, **problems(404)},
)
def read_broadcast_events(
    path: BroadcastPath, header: BroadcastEventsHeaders, query: BroadcastEventsQuery
) -> Response:
    """Follow a broadcast
    The events of all its jobs in one stream, up to the end of the last. A reader that lost its
    connection goes on after the last `id`, and misses and repeats nothing."""
    whole = broadcasts.read(db.session(), g.user_id, path.broadcast_id)
    db.session.commit()  # a stream holds no connection
    after = places_of(whole, header, query)
    if after is None:
        return Response(status=204)
    return sse_response(broadcast_lines(g.user_id, whole, after))


def _after_wait(
    broadcast_id: str, wait_s: int | None, answer: Callable[[BroadcastJobs, int | None], Response]
) -> Response:
    """The answer made of the broadcast, once its jobs have ended or the wait is over, and of the
    seconds that were granted."""

    def read() -> BroadcastJobs:
        db.session.expire_all()  # what was just accepted may have moved on
        return broadcasts.read(db.session(), g.user_id, broadcast_id)

    job_ids = [job.id for job in read().siblings]
    return answer_after(job_ids, wait_s, lambda waited_s: answer(read(), waited_s))


@api.post("/<id:broadcast_id>/cancel", responses={200: BroadcastBody, **problems(404, 409)})
def cancel_broadcast(path: BroadcastPath) -> Response:
    """Cancel a broadcast
    Every job of it that is unfinished ends at once, a merge among them; those that have answered
    keep their answers. Cancelling it again is a 200 as well; one whose jobs have all ended
    otherwise is a 409."""
    whole = broadcasts.cancel(db.session(), g.user_id, path.broadcast_id)
    if not any(job.status == "cancelled" for job in whole.jobs):
        detail = f"The broadcast can't be cancelled: it has ended as {whole.status}."
        raise Refusal(Problem(409, "broadcast_ended", detail))
    return broadcast_answer(whole)


@api.post(
    "/<id:broadcast_id>/merge",
    responses={200: JobBody, 202: JobBody, **problems(404, 409, 413, 415)},
)
def merge_answers(path: BroadcastPath, header: SubmitHeaders, body: NewMerge) -> Response:
    """Merge the answers of a broadcast
    A job of the mind `manager`, which makes one answer of all that there are, once every mind has
    ended. When it is completed, every mind goes on from its answer. With `Prefer: wait=N` a merge
    that ends in time is a 200."""
    deadline_s = deadline_of(header, body.deadline_s)

    def create() -> Created:
        job, message = broadcasts.accept_merge(
            db.session(),
            g.user_id,
            path.broadcast_id,
            metadata=body.metadata,
            deadline_s=deadline_s,
        )
        answer = job_answer(job, 202, Location=f"/v1/jobs/{job.id}")
        return Created(answer, then=lambda: publish(job, message))

    return waited_answer(g.user_id, create_once(header.idempotency_key, create), header.wait)


@api.post("/<id:broadcast_id>/choose", responses={200: BroadcastBody, **problems(404, 413, 415)})
def choose_answer(path: BroadcastPath, body: Choice) -> Response:
    """Keep one answer of a broadcast
    Every mind goes on from it, also one that was not asked. The last choice or merge counts."""
    return broadcast_answer(
        broadcasts.choose(db.session(), g.user_id, path.broadcast_id, body.job_id)
    )
