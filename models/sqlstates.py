"""What PostgreSQL's error codes (SQLSTATE) say about the server rather than about the statement.

Sorted by code, since the driver's classes mix them: 25006 is an InternalError, 26000 a
ProgrammingError. Codes: Appendix A of PostgreSQL's manual.
"""

from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError

# The connection leads to a server that can't be used, or its state is lost: a new one may do.
LOST: Final = {
    "25006": "the server is read-only, as after a failover",
    "25P03": "the server ended the idle transaction",
    "25P04": "the server ended the long transaction",
    "26000": "a pooler gave the session to another server connection",
    "42P05": "a pooler gave the session to another server connection",
    "57P01": "the server is shutting down",
    "57P02": "the server has crashed",
    "57P03": "the server is starting up",
    "57P04": "the database was dropped",
    "57P05": "the server ended the idle session",
}
# The statement was cancelled, as by `statement_timeout`.
CANCELLED: Final = "57014"
# The server is there, and can't do it now.
BUSY_CLASSES: Final = ("40", "53", "55", "57", "58")
LOST_CLASSES: Final = ("08",)


def sqlstate_of(error: DBAPIError) -> str:
    """The error's SQLSTATE; empty where the server sent none."""
    return getattr(error.orig, "sqlstate", None) or ""


def is_lost(sqlstate: str) -> bool:
    """Whether the connection must not be used again."""
    return sqlstate in LOST or sqlstate[:2] in LOST_CLASSES


def is_unavailable(error: DBAPIError) -> bool:
    """Whether an error means that the server was away, rather than that the statement was wrong."""
    if error.connection_invalidated or isinstance(error, OperationalError):
        return True
    sqlstate = sqlstate_of(error)
    return is_lost(sqlstate) or sqlstate[:2] in BUSY_CLASSES
