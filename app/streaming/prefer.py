"""`Prefer: wait=N`: respond once a job has ended, if a slot is free for waiting (RFC 7240)."""

from collections.abc import Callable, Collection

from flask import Response, g

from app.http.db import db
from app.http.deferred import defer
from app.http.problems import Refusal
from app.streaming.access import hold_access, wait_under
from app.streaming.capacity import take_slot
from app.streaming.hub import get_hub
from app.streaming.wait import wait_for_end
from config.settings import get_settings
from models.jobs import unfinished


def respond_after(
    job_ids: Collection[str],
    wait_s: int | None,
    respond: Callable[[int | None], Response],
    *,
    just_accepted: bool = False,
) -> Response:
    """The response once all these jobs of the caller have ended, or the wait is over.

    Args:
        job_ids: jobs of the caller.
        wait_s: the seconds that the caller asked for; capped by `WAIT_MAX_S`.
        just_accepted: whether none of the jobs needs to be read to know that it has not ended.
        respond: makes the response; it gets the seconds granted, or None if there was no wait.

    Raises:
        DatabaseUnavailable: if the jobs can't be read.
        Unauthorized: after the wait, if the caller's access has ended meanwhile. A job that was
            just accepted is shown: that it was accepted must not get lost.
        Deferred: to continue the request after the wait.
    """
    user_id, granted_s = g.user_id, min(wait_s or 0, get_settings().wait_max_s)
    if granted_s <= 0:
        return respond(None)
    rest = set(job_ids) if just_accepted else unfinished(db.session(), user_id, job_ids)
    db.session.rollback()  # no connection is busy meanwhile
    if not rest:
        return respond(granted_s)
    try:
        take_slot("wait")
    except Refusal:  # no room for a wait: the caller polls
        return respond(None)
    get_hub().open_soon(rest)
    access = hold_access()

    async def wait() -> None:
        wait_under(access)
        await wait_for_end(user_id, rest, granted_s)

    def after_wait() -> Response:
        if not just_accepted:
            access.require()
        return respond(granted_s)

    return defer(wait, after_wait)
