"""Timestamps in responses."""

from datetime import UTC, datetime


def timestamp(moment: datetime) -> str:
    """Format a time by RFC 3339, in UTC and to the millisecond: 2026-01-31T09:30:00.125Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def timestamp_or_none(moment: datetime | None) -> str | None:
    """Format a time that may be missing."""
    return timestamp(moment) if moment else None
