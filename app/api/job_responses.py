"""Responses with jobs: now, or after a wait."""

from datetime import UTC, datetime, timedelta
from functools import partial

from flask import Response, g

from app.api.kept_jobs import KeptJob, kept_jobs
from app.http.db import autocommit_session, db
from app.http.deferred import after_view
from app.http.idempotency import Created, SentKey
from app.http.responses import etag_of, json_response, json_text, unless_known
from app.limits.jobs import certainly_fit
from app.schemas.broadcasts import broadcast_body
from app.schemas.headers import APPLIED
from app.schemas.jobs import job_body
from app.schemas.times import timestamp
from app.streaming.prefer import respond_after
from models.broadcasts import BroadcastJobs
from models.errors import NotFound
from models.idempotency import Claim
from models.jobs import UNFINISHED, Job, find_job, find_job_and_version, find_version
from tasks.jobs.submission import Submission, accept_first
from tasks.metrics.declared import CACHE_LOOKUPS


def created_job(job: Job) -> Created:
    """Pair an accepted job with its 202."""
    location = f"/v1/jobs/{job.id}"
    return Created.of(job.id, job_body(job), 202, Location=location, **_retry_header(job))


def created_at_once(submission: Submission, sent: SentKey | None) -> Created | None:
    """Accept a message that begins a conversation. None if its key isn't free, or the user's jobs
    have to be counted first."""
    if not certainly_fit():
        return None
    job = accept_first(submission, after_view, partial(_claim, sent) if sent is not None else None)
    return created_job(job) if job is not None else None


def _claim(sent: SentKey, draft: Job) -> Claim:
    return sent.claim(created_job(draft), timestamp(draft.created_at), timestamp(draft.expires_at))


def created_broadcast(whole: BroadcastJobs) -> Created:
    """Pair an accepted broadcast with its 202."""
    broadcast_id = whole.broadcast.id
    headers = {"Location": f"/v1/broadcasts/{broadcast_id}", **_retry_header(*whole.jobs)}
    return Created.of(broadcast_id, broadcast_body(whole), 202, **headers)


def respond_with_job(created: Created, wait_s: int | None) -> Response:
    """Respond to the submission of a job: now, or with its state after a wait, ended or not."""
    if wait_s is None:
        return created.response()

    def respond(waited_s: int | None) -> Response:
        db.session.expire_all()
        job = find_job(autocommit_session(), g.user_id, created.id)
        if job is None:  # deleted with its user during the wait
            return created.response()
        now = job_response(job, 202 if job.status in UNFINISHED else 200)
        return applied(waited_s, created.mark(now))

    return respond_after([created.id], wait_s, respond, just_accepted=not created.replayed)


def applied(waited_s: int | None, now: Response) -> Response:
    """Add the header that says how long the server waited (RFC 7240, 3)."""
    if waited_s is not None:
        now.headers[APPLIED] = f"wait={waited_s}"
    return now


def job_response(job: Job, status: int = 200) -> Response:
    """Return a job, with `Retry-After` until it has ended."""
    return json_response(job_body(job), status, **_retry_header(job))


def shown_job(job_id: str) -> Response:
    """Return a job of the user, or a 304; rendered only if it has changed since it was last. Raises
    NotFound."""
    kept = _unchanged(job_id) or _render(job_id)
    response = unless_known(kept.body, kept.etag)
    if kept.open_since is not None:
        response.headers["Retry-After"] = str(retry_after(datetime.now(UTC) - kept.open_since))
    return response


def _unchanged(job_id: str) -> KeptJob | None:
    kept = kept_jobs().get(job_id)
    if kept is None or find_version(g.user_id, job_id) != kept.version:
        CACHE_LOOKUPS.add("jobs", "miss")
        return None
    CACHE_LOOKUPS.add("jobs", "hit")
    return kept


def _render(job_id: str) -> KeptJob:
    found = find_job_and_version(autocommit_session(), g.user_id, job_id)
    db.session.commit()  # returns the connection
    if found is None:
        raise NotFound("No such job.")
    job, version = found
    body = json_text(job_body(job))
    since = job.created_at if job.status in UNFINISHED else None
    kept = KeptJob(version, body, etag_of(body), since)
    kept_jobs().keep(job_id, kept)
    return kept


def broadcast_response(whole: BroadcastJobs, status: int = 200) -> Response:
    """Return a broadcast, with `Retry-After` until all of its jobs have ended."""
    return json_response(broadcast_body(whole), status, **_retry_header(*whole.jobs))


def _retry_header(*jobs: Job) -> dict[str, str]:
    created = [job.created_at for job in jobs if job.status in UNFINISHED]
    return {"Retry_After": str(retry_after(datetime.now(UTC) - max(created)))} if created else {}


def retry_after(age: timedelta) -> int:
    """Return the seconds until the next poll: most jobs end within moments, old ones don't."""
    if age < timedelta(seconds=10):
        return 1
    return 3 if age < timedelta(minutes=1) else 10
