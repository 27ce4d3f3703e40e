"""Lock tables for a migration, and let the traffic wait for a moment only.

Whoever needs a table waits behind a statement that waits to lock it: while a backup reads the
table, one such statement stops all traffic. So each attempt is short, and the traffic goes on
between two.
"""

import time
from typing import Final

from alembic import op
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models.sqlstates import sqlstate_of

ATTEMPT_MS: Final = 300
PAUSE_S: Final = 0.7
WITHIN_S: Final = 60.0
NOT_AVAILABLE: Final = "55P03"


def lock(*tables: str, referenced: str | None = None) -> None:
    """Lock tables that are about to change, until the transaction ends.

    Call it first in a transaction, with all the tables that it changes, so that nothing is locked
    while another lock is waited for. Autovacuum, which would be waited for as well, is stopped
    first, by a lock that no other traffic conflicts with: PostgreSQL does so after a second.

    Args:
        tables: the tables; no statement of others can use them meanwhile.
        referenced: a table that a new foreign key refers to; it can be read meanwhile.

    Raises:
        DBAPIError: a table could not be locked within a minute. The upgrade can be repeated.
    """
    connection = op.get_bind()
    both = ", ".join([*tables, *([referenced] if referenced else [])])
    connection.execute(text(f"SET LOCAL lock_timeout = '{WITHIN_S:.0f}s'"))
    connection.execute(text(f"LOCK TABLE {both} IN SHARE UPDATE EXCLUSIVE MODE"))
    connection.execute(text(f"SET LOCAL lock_timeout = '{ATTEMPT_MS}ms'"))
    locks = [f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE"] if tables else []
    if referenced:
        locks.append(f"LOCK TABLE {referenced} IN SHARE ROW EXCLUSIVE MODE")
    deadline = time.monotonic() + WITHIN_S
    while not _try(locks, is_last=time.monotonic() > deadline):
        time.sleep(PAUSE_S)


def _try(locks: list[str], *, is_last: bool) -> bool:
    """Take all the locks or, unless it is the last attempt, return that one is not available."""
    connection = op.get_bind()
    try:
        with connection.begin_nested():
            for statement in locks:
                connection.execute(text(statement))
    except DBAPIError as error:
        if is_last or sqlstate_of(error) != NOT_AVAILABLE:
            raise
        return False
    return True
