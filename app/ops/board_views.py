"""/v1/board: the state of the installation and everybody's jobs, for operators."""

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from app.apidoc.openapi import ADMIN_SECURITY, operation_id, problems
from app.auth.bearer import require_admin
from app.http.db import db
from app.http.errors import CANCELLED_TOO_LATE
from app.http.request_body import refuse_fields
from app.http.responses import json_response
from app.ops.board import board_cache
from app.schemas.board import (
    BoardBody,
    BoardQuery,
    OperatorJobBody,
    OperatorJobPage,
    operator_job_body,
)
from app.schemas.paths import JobPath
from models.errors import NotFound
from models.operations import OwnedJob, find_any_job, list_all_jobs
from tasks.jobs import commands

api = APIBlueprint(
    "board",
    __name__,
    operation_id_callback=operation_id,
    url_prefix="/v1/board",
    abp_tags=[Tag(name="board", description="For operators: keys with the scope `admin`.")],
    abp_security=ADMIN_SECURITY,
    abp_responses=problems(400, 401, 422, 429, 503),
)
api.before_request(require_admin)


@api.get("", responses={200: BoardBody})
def read_board() -> Response:
    """Retrieve the state of the installation.

    Throughput, queues, latencies, failures, breakers, workers and today's cost, up to 2 s old.
    """
    return json_response(board_cache()())


@api.get("/jobs", responses={200: OperatorJobPage})
def read_all_jobs(query: BoardQuery) -> Response:
    """List everybody's jobs.

    Returns jobs of all users, newest first, without their texts.
    """
    found = list_all_jobs(db.session(), **query.model_dump())
    bodies = [operator_job_body(owned) for owned in found]
    return json_response(OperatorJobPage.of(bodies, query.limit))


@api.get("/jobs/<id:job_id>", responses={200: OperatorJobBody, **problems(404)})
def read_any_job(path: JobPath) -> Response:
    """Retrieve anybody's job.

    Returns its receipt, its inner state and its history, without its texts.
    """
    return _shown(path.job_id)


@api.post("/jobs/<id:job_id>/cancel", responses={200: OperatorJobBody, **problems(404, 409)})
def cancel_any_job(path: JobPath) -> Response:
    """Cancel anybody's job.

    As its user could. If it has ended otherwise, the status is 409.
    """
    refuse_fields()
    job = commands.cancel(db.session(), _owned(path.job_id).job.user_id, path.job_id)
    if job.status != "cancelled":
        detail = f"The job can't be cancelled: it has ended as {job.status}."
        raise CANCELLED_TOO_LATE[job.status](detail)
    return _shown(job.id)


@api.post("/jobs/<id:job_id>/retry", responses={200: OperatorJobBody, **problems(404, 409)})
def retry_any_job(path: JobPath) -> Response:
    """Retry anybody's job.

    As its user could: creates a new job, and returns it.
    """
    refuse_fields()
    job = commands.retry(db.session(), _owned(path.job_id).job.user_id, path.job_id)
    db.session.commit()
    return _shown(job.id)


@api.post("/jobs/<id:job_id>/dispatch", responses={200: OperatorJobBody, **problems(404, 409)})
def dispatch_any_job(path: JobPath) -> Response:
    """Dispatch anybody's job again.

    Publishes the next stage of a queued job to the broker once more, or ends the wait of one that
    waits to be tried again. No stage runs twice: a message that is not needed is dropped. If the
    job is running, blocked or has ended, the status is 409.
    """
    refuse_fields()
    commands.dispatch_again(db.session(), path.job_id)
    return _shown(path.job_id)


def _shown(job_id: str) -> Response:
    return json_response(operator_job_body(_owned(job_id)))


def _owned(job_id: str) -> OwnedJob:
    found = find_any_job(db.session(), job_id)
    if found is None:
        raise NotFound("No such job.")
    return found
