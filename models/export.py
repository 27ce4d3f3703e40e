"""All that is one user's, as rows of plain values: for the user, who has a right to it.

Secrets are left out, even where only a digest of one is stored.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, cast

from sqlalchemy import Column, ColumnElement, LargeBinary, Select, Table, literal, select, tuple_

from models.base import Base
from models.conversations import Conversation, Message
from models.session import unit_of_work
from models.users import User

ROWS: Final = 500
SECRET: Final = re.compile(r"secret|digest|fingerprint|pepper|(^|_)token$")
# Read by conversation, since no index has them by user in an order.
MESSAGES: Final = Message.__tablename__


def export_user(user_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each row of a user with the name of its table, in pages, each a transaction."""
    users = cast(Table, User.__table__)
    yield from _pages(users, select(*_shown(users)).where(users.c.id == user_id))
    for table in Base.metadata.sorted_tables:
        if "user_id" in table.c and table.name != MESSAGES:
            mine = select(*_shown(table)).where(_is_users(table, user_id))
            for name, row in _pages(table, mine):
                yield name, row
                if name == Conversation.__tablename__:
                    yield from _messages(row["id"])


def _is_users(table: Table, user_id: str) -> ColumnElement[bool]:
    """A condition that an index serves: a table that doesn't refer to users is read by the rows of
    the one that it belongs to."""
    if not table.c.user_id.foreign_keys:
        for key in table.foreign_keys:
            owners = key.column.table
            if "user_id" in owners.c:
                mine = select(key.column).where(owners.c.user_id == user_id)
                return key.parent.in_(mine)
    return table.c.user_id == user_id


def _messages(conversation_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    table = cast(Table, Message.__table__)
    here = select(*_shown(table)).where(table.c.conversation_id == conversation_id)
    yield from _pages(table, here, (table.c.position,))


def _pages(
    table: Table, rows: Select[Any], by: tuple[Column[Any], ...] = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows in the order of the table's key, or another, which begins with what was read."""
    order = by or tuple(table.primary_key.columns)
    page = rows.order_by(*order).limit(ROWS)
    after: Any = None
    while True:
        wanted = page if after is None else page.where(tuple_(*order) > after)
        with unit_of_work() as session:
            found = session.execute(wanted).mappings().all()
        for row in found:
            yield table.name, dict(row)
        if len(found) < ROWS:
            return
        last = (literal(found[-1][column.key], column.type) for column in order)
        after = tuple_(*last)


def _shown(table: Table) -> list[Column[Any]]:
    return [
        column
        for column in table.c
        if column.primary_key
        or not (isinstance(column.type, LargeBinary) or SECRET.search(column.name))
    ]
