"""What this process is called where it connects: an operator reads it in PostgreSQL's
`pg_stat_activity` and in Redis's `CLIENT LIST`."""

from typing import Final

_PREFIX: Final = "trimind"
_name = _PREFIX


def name_process(kind: str) -> None:
    """Call this process `trimind-<kind>`; before its first connection."""
    global _name
    _name = f"{_PREFIX}-{kind}"


def process_name() -> str:
    """`trimind-web`, `-worker`, `-cpu` or `-flower`; `trimind` for a command."""
    return _name
