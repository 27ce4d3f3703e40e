"""Search a user's conversations for a text in titles and messages, ignoring case.

A text of one or two characters that begins with a letter or a digit is found at the beginning of a
word, every other one anywhere. One statement looks in three ways, each only if those before did not
find enough:

1. The newest conversations, as many as have READ_NEWEST messages together. What is frequent is
   found here.
2. An index of owners and trigrams, for up to MATCHES matches, or more for a long page. What is rare
   is found here.
3. All conversations, newest first. What has so many matches is found soon.

For a text without a trigram, of signs alone or of one or two characters of a script that does not
separate words, the index would be read as a whole, with the messages of all users: it is looked for
in the third way alone. Without the index (`docs/deploying.md`), all messages of its owner are read
for every text that is rare.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    Subquery,
    Table,
    any_,
    bindparam,
    exists,
    func,
    or_,
    select,
    true,
    union,
    union_all,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from models.conversations import Conversation, Message, of_user
from models.errors import SearchTimedOut
from models.pages import position_of
from models.search_text import read_search_text
from models.sqlstates import CANCELLED, sqlstate_of

READ_NEWEST: Final = 500
MATCHES: Final = 1000
# A page of a hundred of what has a thousand matches is found sooner by the index: without it, a
# hundred times as many messages are read as there are to a match.
MATCHES_PER_RESULT: Final = 16
# A search occupies one of the process's few connections for this long at most. The planner does not
# know how often a text occurs in one user's messages: it might read those of all users, or whole
# conversations to sort them. A plan that is kept for any text would be worse still.
_SETTINGS: Final = {
    "statement_timeout": "2s",
    "enable_seqscan": "off",
    "enable_sort": "off",
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
}

Condition = Callable[[ColumnElement[Any]], ColumnElement[bool]]

conversations = cast(Table, Conversation.__table__)
messages = cast(Table, Message.__table__)


def search_conversations(
    session: Session, user_id: str, q: str, *, limit: int, after: str | None = None
) -> list[Conversation]:
    """A page of the user's conversations that contain a text, newest first.

    Args:
        q: the text.
        limit: the page size; one more is returned if there are more.
        after: the id of the last conversation of the previous page.

    Raises:
        InvalidRequest: `after` is not one of the user's conversations.
        SearchTimedOut: the search took longer than 2 s.
    """
    if after is not None:
        position_of(session, of_user(user_id), Conversation.id, after)
    text = read_search_text(q)
    matches = _begins_word if text.begins_word else _contains
    values = {
        "user_id": user_id,
        "pattern": text.pattern,
        "most": limit + 1,
        "enough": max(MATCHES, MATCHES_PER_RESULT * limit),
        "after": after,
    }
    try:
        session.execute(_settings_statement())
        build = _statement if text.has_trigram else _reading_statement
        return list(session.scalars(build(matches, after is not None), values))
    except DBAPIError as error:
        if sqlstate_of(error) == CANCELLED:
            raise SearchTimedOut("The search (q) took too long.") from error
        raise


@lru_cache(maxsize=1)
def _settings_statement() -> Select[Any]:
    return select(*(func.set_config(name, value, True) for name, value in _SETTINGS.items()))


@lru_cache(maxsize=4)
def _statement(matches: Condition, continues: bool) -> Select[tuple[Conversation]]:
    """Built once: it is long. A CTE that is not read is not executed."""
    wanted = [conversations.c.id < bindparam("after")] if continues else []
    border = _border(wanted)
    older_than = select(border.c.id).scalar_subquery()
    newer = conversations.c.id > func.coalesce(older_than, "")
    newest = _read(matches, *wanted, newer).cte("newest")
    found = _by_index(matches).cte("matches").prefix_with("MATERIALIZED")
    # A LIMIT of its own would let the planner believe that a few matches are found without the
    # index. A CTE is executed only as far as it is read.
    indexed = select(found.c.id).limit(bindparam("enough")).cte("indexed")
    older = (
        _read(matches, conversations.c.id <= older_than).cte("older").prefix_with("MATERIALIZED")
    )

    more = exists(select(border.c.id)) & (_count(newest) < bindparam("most"))
    few = _count(indexed) < bindparam("enough")
    ids = union(
        select(newest.c.id),
        select(indexed.c.id).where(more, few, indexed.c.id <= older_than),
        select(older.c.id).where(more, ~few),
    )
    return _whole(ids.order_by(ids.selected_columns.id.desc()).limit(bindparam("most")))


@lru_cache(maxsize=2)
def _reading_statement(matches: Condition, continues: bool) -> Select[tuple[Conversation]]:
    """Without the index."""
    wanted = [conversations.c.id < bindparam("after")] if continues else []
    return _whole(_read(matches, *wanted))


def _whole(page: Any) -> Select[tuple[Conversation]]:
    """The conversations with the ids of a page."""
    ids = select(page.subquery("page").c.id).scalar_subquery()
    return (
        select(Conversation)
        .where(Conversation.id == any_(func.array(ids)))
        .order_by(Conversation.id.desc())
    )


def _border(wanted: list[ColumnElement[bool]]) -> CTE:
    """The conversation with which the number of messages to read is reached; no row if there are
    fewer."""
    latest = (
        select(messages.c.position)
        .where(messages.c.conversation_id == conversations.c.id)
        .order_by(messages.c.position.desc())
        .limit(READ_NEWEST)  # also keeps the planner from reading all of them
        .lateral("latest")
    )
    read: Subquery = (
        select(conversations.c.id)
        .select_from(conversations.outerjoin(latest, true()))
        .where(_mine(), *wanted)
        .order_by(conversations.c.id.desc())
        .limit(READ_NEWEST)
        .subquery("read")
    )
    reached = func.count() == READ_NEWEST
    return select(func.min(read.c.id).label("id")).having(reached).cte("border")


def _read(matches: Condition, *where: ColumnElement[bool]) -> Select[Any]:
    """A page of conversations, found by reading one after the other."""
    said = select(messages.c.id).where(
        messages.c.conversation_id == conversations.c.id, matches(messages.c.content)
    )
    # OFFSET keeps the planner from turning this into a join, which would read all messages.
    here = said.offset(0).exists()
    return (
        select(conversations.c.id)
        .where(_mine(), or_(matches(conversations.c.title), here), *where)
        .order_by(conversations.c.id.desc())
        .limit(bindparam("most"))
    )


def _by_index(matches: Condition) -> Any:
    """The conversations of all matches."""
    in_messages = select(messages.c.conversation_id.label("id")).where(
        messages.c.user_id == bindparam("user_id"), matches(messages.c.content)
    )
    in_titles = select(conversations.c.id).where(_mine(), matches(conversations.c.title))
    return union_all(in_messages, in_titles)


def _mine() -> ColumnElement[bool]:
    return conversations.c.user_id == bindparam("user_id")


def _contains(text: ColumnElement[Any]) -> ColumnElement[bool]:
    return text.ilike(bindparam("pattern"))


def _begins_word(text: ColumnElement[Any]) -> ColumnElement[bool]:
    return text.regexp_match(bindparam("pattern"), flags="i")


def _count(found: CTE) -> ColumnElement[int]:
    return select(func.count()).select_from(found).scalar_subquery()
