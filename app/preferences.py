"""`Prefer: wait=N`: wait for a job's end where there is a place to wait (RFC 7240)."""

from collections.abc import Collection
from typing import Final

from app.db import db
from app.places import give_place_back, stay
from app.waiting import wait_for_end
from config.settings import get_settings

APPLIED: Final = "Preference-Applied"


def wait_if_preferred(user_id: str, job_ids: Collection[str], wait_s: int | None) -> int | None:
    """Wait for the end of all these jobs; the seconds that were granted, all of them waited for
    unless the jobs ended before. None: nobody waited. Raises DatabaseUnavailable."""
    granted_s = min(wait_s or 0, get_settings().wait_max_s)
    if granted_s <= 0 or stay() is not None:
        return None
    try:
        db.session.rollback()  # no connection is held meanwhile
        wait_for_end(user_id, job_ids, granted_s)
    finally:
        give_place_back()
    return granted_s
