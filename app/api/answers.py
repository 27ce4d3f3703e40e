"""Answers: a declared body, a status, and the headers that belong to it."""

from datetime import UTC, datetime, timedelta

from flask import Response, jsonify
from pydantic import BaseModel

from app.schemas.jobs import job_body
from models.jobs import UNFINISHED, Job


def answer(body: BaseModel, status: int = 200, **headers: str) -> Response:
    """A body as JSON; `Retry_After` in Python is `Retry-After` on the wire."""
    response = jsonify(body.model_dump())
    response.status_code = status
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def job_answer(job: Job, status: int = 200, **headers: str) -> Response:
    """A job; unfinished, it says when to ask again."""
    if job.status in UNFINISHED:
        headers["Retry_After"] = str(retry_after(datetime.now(UTC) - job.created_at))
    return answer(job_body(job), status, **headers)


def retry_after(age: timedelta) -> int:
    """Seconds until it is worth asking again: most jobs end within moments, old ones do not."""
    if age < timedelta(seconds=10):
        return 1
    return 3 if age < timedelta(minutes=1) else 10
