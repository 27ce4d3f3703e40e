"""`DATABASE_URL`: parsed by libpq itself, so that every parameter is kept or refused by name.

libpq takes 9 MB, so it is loaded only here and where there is a database.
"""

import re
from typing import Any, Final
from urllib.parse import unquote

from config.process import process_kind
from config.server_url import ENCODE

_SCHEME: Final = re.compile(r"^postgres(ql)?(\+(?P<driver>\w+))?://")
_UNKNOWN: Final = re.compile(r'invalid URI query parameter: "(\w+)"')


def read_database_url(value: str) -> str:
    """The URL for SQLAlchemy's psycopg. Raises ValueError, whose message contains no value."""
    found = _SCHEME.match(value)
    if found is None:
        raise ValueError("is not a PostgreSQL URL")
    if found["driver"] not in (None, "psycopg"):
        raise ValueError(f"names the driver {found['driver']}, which is not supported")
    rest = value[found.end() :]
    before, at, after = rest.partition("@")
    if at and ("@" in after or re.search(r"[/?#]", before)):
        raise ValueError(ENCODE)
    if process_kind() != "flower":  # which has no database
        _check(f"postgresql://{rest}")
    return f"postgresql+psycopg://{rest}"


def place_of(url: str) -> str:
    """The URL without its password and parameters: `postgresql://user@host:port/name`."""
    parts = _parsed(url.replace("+psycopg", "", 1))
    user = f"{parts['user']}@" if "user" in parts else ""
    port = f":{parts['port']}" if "port" in parts else ""
    return f"postgresql://{user}{parts.get('host', '')}{port}/{parts.get('dbname', '')}"


def _check(url: str) -> None:
    from psycopg import ProgrammingError

    try:
        parts = _parsed(url)
    except ProgrammingError as error:
        unknown = _UNKNOWN.search(unquote(str(error)))
        if unknown is None:
            raise ValueError(ENCODE) from None
        raise ValueError(
            f"has the parameter {unknown[1]}, which libpq doesn't know: remove it"
        ) from None
    ports = str(parts.get("port", "")).split(",")
    if not all(port == "" or (port.isdigit() and 0 < int(port) < 65536) for port in ports):
        raise ValueError("has a port that is not a number from 1 to 65535")


def _parsed(url: str) -> dict[str, Any]:
    from psycopg.conninfo import conninfo_to_dict

    return conninfo_to_dict(url)
