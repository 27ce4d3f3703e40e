"""One ULID in three ids: the job's, its response's, and that of the answer as an output item."""

import re
from typing import Final

from app.schemas.paths import ULID_PATTERN

_RESPONSE_ID: Final = re.compile(rf"resp_({ULID_PATTERN})")


def job_id_of(response_id: str) -> str | None:
    """Return `job_01J…` for `resp_01J…`. Any other text gives None and doesn't reach the
    database."""
    match = _RESPONSE_ID.fullmatch(response_id)
    return f"job_{match[1]}" if match else None


def response_id_of(job_id: str) -> str:
    """Return `resp_01J…` for `job_01J…`."""
    return f"resp_{job_id.removeprefix('job_')}"


def item_id_of(job_id: str) -> str:
    """Return the id of the answer in a response's output."""
    return f"msg_{job_id.removeprefix('job_')}"
