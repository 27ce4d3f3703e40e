"""Timestamps in responses, and times in requests."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

TIME: Final = (
    "^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?"
    "(Z|[+-][0-9]{2}:[0-9]{2})$"
)


def _time(sent: Any) -> datetime | None:
    """Only this form of RFC 3339, of many that pydantic accepts."""
    if isinstance(sent, str) and re.fullmatch(TIME, sent):
        with suppress(ValueError):
            return datetime.fromisoformat(sent)
    what = "must be a time from the year 2000 on, with its offset, as in 2026-01-31T09:30:00Z"
    raise PydanticCustomError("invalid", what)


Time = Annotated[datetime, BeforeValidator(_time, json_schema_input_type=str)]


def timestamp(moment: datetime) -> str:
    """Format a time by RFC 3339, in UTC and to the millisecond: 2026-01-31T09:30:00.125Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def timestamp_or_none(moment: datetime | None) -> str | None:
    """Format a time that may be missing."""
    return timestamp(moment) if moment else None
