"""Pages of a list: its rows in the order of a key, from the one after the last page's last."""

from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from models.errors import InvalidRequest

Row = TypeVar("Row")


def page_of(
    session: Session,
    rows: Select[tuple[Row]],
    key: InstrumentedAttribute[str],
    *filters: ColumnElement[bool],
    limit: int,
    after: str | None = None,
    by: InstrumentedAttribute[Any] | None = None,
    oldest_first: bool = False,
) -> list[Row]:
    """A page of a list, the newest first; one more than `limit` if there are more.

    Args:
        rows: all rows of the list.
        key: the id of a row.
        filters: which of the rows are shown; one that is not can still be `after`, since it may
            have changed.
        limit: the page size.
        after: the id of the last row of the previous page.
        by: the order, if it is not that of the ids.
        oldest_first: the other way around.

    Raises:
        InvalidRequest: `after` is not in the list.
    """
    order = key if by is None else by
    shown = rows.where(*filters)
    if after is not None:
        at = position_of(session, rows, key, after, order)
        shown = shown.where(order > at if oldest_first else order < at)
    shown = shown.order_by(order if oldest_first else order.desc())
    return list(session.scalars(shown.limit(limit + 1)))


def position_of(
    session: Session,
    rows: Select[Any],
    key: InstrumentedAttribute[str],
    after: str,
    order: InstrumentedAttribute[Any] | None = None,
) -> Any:
    """Where a row is in a list, by default by its id. Raises InvalidRequest if it is not there."""
    column = key if order is None else order
    at = session.scalar(rows.with_only_columns(column).where(key == after))
    if at is None:
        raise InvalidRequest("There is no such item in this list.", "after")
    return at
