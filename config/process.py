"""The name of this process, in its log and to the servers it connects to: an operator reads it in
PostgreSQL's `pg_stat_activity` and in Redis's `CLIENT LIST`."""

from typing import Final

_PREFIX: Final = "trimind"
_kind: str | None = None


def name_process(kind: str) -> None:
    """Set the Procfile's name of this process; before its log and its first connection."""
    global _kind
    _kind = kind


def process_kind() -> str | None:
    """`web`, `worker`, `cpu`, `flower`, `release`, or `trimind` for `trimind up`; else None."""
    return _kind


def process_name() -> str:
    """`trimind-web`, `-worker`, `-cpu`, `-flower` or `-release`; `trimind` for a command."""
    return _PREFIX if _kind in (None, _PREFIX) else f"{_PREFIX}-{_kind}"
