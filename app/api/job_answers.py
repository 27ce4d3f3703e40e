"""Answers that show jobs: now, or after a wait."""

from datetime import UTC, datetime, timedelta

from flask import Response, g

from app.http.answers import answer
from app.http.db import db
from app.http.idempotency import Created
from app.schemas.broadcasts import broadcast_body
from app.schemas.headers import APPLIED
from app.schemas.jobs import job_body
from app.streaming.prefer import answer_after
from models.broadcasts import BroadcastJobs
from models.jobs import UNFINISHED, Job, find_job


def created_job(job: Job) -> Created:
    """A job that was accepted, with the 202 to it."""
    location = f"/v1/jobs/{job.id}"
    return Created.of(job.id, job_body(job), 202, Location=location, **_retry_after(job))


def created_broadcast(whole: BroadcastJobs) -> Created:
    """A broadcast that was accepted, with the 202 to it."""
    broadcast_id = whole.broadcast.id
    headers = {"Location": f"/v1/broadcasts/{broadcast_id}", **_retry_after(*whole.jobs)}
    return Created.of(broadcast_id, broadcast_body(whole), 202, **headers)


def answer_job(created: Created, wait_s: int | None) -> Response:
    """The answer to a job's submission; with a wait, the job as it is after that, whether or not it
    has ended."""
    if wait_s is None:
        return created.response()

    def answer_now(waited_s: int | None) -> Response:
        db.session.expire_all()
        job = find_job(db.session(), g.user_id, created.id)
        if job is None:  # its user was deleted meanwhile
            return created.response()
        now = job_answer(job, 202 if job.status in UNFINISHED else 200)
        return applied(waited_s, created.mark(now))

    return answer_after([created.id], wait_s, answer_now)


def applied(waited_s: int | None, now: Response) -> Response:
    """What there is now, and how long was waited for it (RFC 7240, 3)."""
    if waited_s is not None:
        now.headers[APPLIED] = f"wait={waited_s}"
    return now


def job_answer(job: Job, status: int = 200) -> Response:
    """A job; unfinished, it says when to ask again."""
    return answer(job_body(job), status, **_retry_after(job))


def broadcast_answer(whole: BroadcastJobs, status: int = 200) -> Response:
    """A broadcast; while any job of it is unfinished, it says when to ask again."""
    return answer(broadcast_body(whole), status, **_retry_after(*whole.jobs))


def _retry_after(*jobs: Job) -> dict[str, str]:
    created = [job.created_at for job in jobs if job.status in UNFINISHED]
    return {"Retry_After": str(pause_of(datetime.now(UTC) - max(created)))} if created else {}


def pause_of(age: timedelta) -> int:
    """Seconds until it is worth asking again: most jobs end within moments, old ones do not."""
    if age < timedelta(seconds=10):
        return 1
    return 3 if age < timedelta(minutes=1) else 10
