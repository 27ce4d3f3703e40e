"""Answers that show jobs: now, or after a wait."""

from datetime import UTC, datetime, timedelta

from flask import Response

from app.http.answers import answer
from app.http.db import db
from app.http.idempotency import REPLAYED
from app.schemas.broadcasts import broadcast_body
from app.schemas.headers import APPLIED
from app.schemas.jobs import job_body
from app.streaming.prefer import answer_after
from models.broadcasts import BroadcastJobs
from models.jobs import UNFINISHED, Job, find_job


def waited_answer(user_id: str, created: Response, wait_s: int | None) -> Response:
    """The answer to a job's submission; where the caller would rather wait, the job as it is after
    that, whether or not it has ended. Its commit and its publication lie behind."""
    if wait_s is None:
        return created
    job_id = location_id(created)

    def answer_now(waited_s: int | None) -> Response:
        db.session.expire_all()
        job = find_job(db.session(), user_id, job_id)
        if job is None:  # its user was deleted meanwhile
            return created
        return applied(waited_s, created, job_answer(job, 202 if job.status in UNFINISHED else 200))

    return answer_after([job_id], wait_s, answer_now)


def applied(waited_s: int | None, created: Response | None, now: Response) -> Response:
    """What there is now, with what the answer to its creation said beside the body, and how long
    was waited for it (RFC 7240, 3)."""
    if created is not None:
        kept = {name: v for name, v in created.headers if name in (REPLAYED, "Location")}
        now.headers.update(kept)
    if waited_s is not None:
        now.headers[APPLIED] = f"wait={waited_s}"
    return now


def location_id(response: Response) -> str:
    """The id of what a POST has created."""
    return response.headers["Location"].rsplit("/", 1)[1]


def job_answer(job: Job, status: int = 200, **headers: str) -> Response:
    """A job; unfinished, it says when to ask again."""
    if job.status in UNFINISHED:
        headers["Retry_After"] = str(retry_after(datetime.now(UTC) - job.created_at))
    return answer(job_body(job), status, **headers)


def broadcast_answer(whole: BroadcastJobs, status: int = 200, **headers: str) -> Response:
    """A broadcast; while any job of it is unfinished, it says when to ask again."""
    unfinished = [job for job in whole.jobs if job.status in UNFINISHED]
    if unfinished:
        newest = max(job.created_at for job in unfinished)
        headers["Retry_After"] = str(retry_after(datetime.now(UTC) - newest))
    return answer(broadcast_body(whole), status, **headers)


def retry_after(age: timedelta) -> int:
    """Seconds until it is worth asking again: most jobs end within moments, old ones do not."""
    if age < timedelta(seconds=10):
        return 1
    return 3 if age < timedelta(minutes=1) else 10
