"""PostgreSQL's error codes (SQLSTATE) that are about the server, not the statement.

The driver's exception classes mix the two: 25006 is an InternalError, 26000 a ProgrammingError.
The codes are listed in Appendix A of PostgreSQL's manual.
"""

from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError

# The connection's server can't be used, or its session state is lost: a new connection may work.
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
# The statement was cancelled, for example by `statement_timeout`.
CANCELLED: Final = "57014"
# A row that another refers to is missing.
MISSING: Final = "23503"
# The server is up, but can't execute the statement now.
BUSY_CLASSES: Final = ("40", "53", "55", "57", "58")
LOST_CLASSES: Final = ("08",)


def sqlstate_of(error: DBAPIError) -> str:
    """The error's SQLSTATE, or an empty string if the server sent none."""
    return getattr(error.orig, "sqlstate", None) or ""


def is_of_deleted_user(error: DBAPIError) -> bool:
    """Whether a row was refused because its user was deleted meanwhile."""
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or ""
    return sqlstate_of(error) == MISSING and constraint.endswith("_user_id")


def is_lost(sqlstate: str) -> bool:
    """Whether the connection must not be used again."""
    return sqlstate in LOST or sqlstate[:2] in LOST_CLASSES


def is_unavailable(error: DBAPIError) -> bool:
    """Whether the error is due to an unavailable server rather than the statement."""
    if error.connection_invalidated or isinstance(error, OperationalError):
        return True
    sqlstate = sqlstate_of(error)
    return is_lost(sqlstate) or sqlstate[:2] in BUSY_CLASSES
