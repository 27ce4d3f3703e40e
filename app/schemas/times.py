"""Timestamps as clients read them."""

from datetime import UTC, datetime


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond: 2026-01-31T09:30:00.125Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def timestamp_or_none(moment: datetime | None) -> str | None:
    """The same, where there may be none."""
    return timestamp(moment) if moment else None
