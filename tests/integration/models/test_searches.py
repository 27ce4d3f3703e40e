"""What a search finds, and that it costs what its user has, not what the table holds."""

import re

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models.conversations import Conversation, Message
from models.searches import MATCHES, READ_NEWEST, search_conversations
from models.session import unit_of_work

from .plans import indexes_used, rows_read, tables_scanned

# Twenty thousand messages say "some words <n>", in 200 conversations of one user.
FREQUENT, RARE, IN_THE_NEWEST = "words", "words 17654", "WORDS 9900"
TEXTS = (
    FREQUENT,
    RARE,
    IN_THE_NEWEST,
    "words 1",
    "s 77",
    "99",
    "7",
    "%",
    "_",
    "absent",
    "Élan",
    " ",
    "WO",
    "s 7",
    "....",
    "w",
    "o",
    "és",
    "ÉL",
    "v",
    "D'",
    "文",
)
# A text without a trigram would have the index read as a whole.
WITHOUT_TRIGRAM = ("文", "中文", "....", "_%_")


def found(user: str, q: str, limit: int = 20) -> list[str]:
    """The ids of all pages of a search."""
    pages: list[str] = []
    while True:
        after = pages[-1] if pages else None
        with unit_of_work() as session:
            page = search_conversations(session, user, q, limit=limit, after=after)
        pages += [conversation.id for conversation in page[:limit]]
        if len(page) <= limit:
            return pages


def expected(user: str, q: str) -> list[str]:
    """The same by reading everything."""
    query = select(Conversation.id, Conversation.title, Message.content).outerjoin(Message)
    with unit_of_work() as session:
        rows = session.execute(query.where(Conversation.user_id == user)).all()
        ids = {row.id for row in rows if holds(row.title or "", q) or holds(row.content or "", q)}
        ordered = select(Conversation.id).where(Conversation.id.in_(ids))
        return list(session.scalars(ordered.order_by(Conversation.id.desc())))


def holds(text: str, q: str) -> bool:
    """Whether a search finds this text: one or two characters at the beginning of a word only."""
    text, q = text.lower(), q.lower()
    before = [text[: match.start()][-1:] for match in re.finditer(re.escape(q), text)]
    short = len(q) <= 2 and q[0].isalnum() and q != "文"
    return any(not (short and each.isalnum()) for each in before)


@pytest.fixture(scope="module", autouse=True)
def titled(filled: None) -> None:
    """Titles that only an old conversation has."""
    with unit_of_work() as session:
        old = update(Conversation).where(Conversation.id == "conv_many_1")
        session.execute(old.values(title="100% d'Élan_vital"))


@pytest.mark.parametrize("limit", [3, 20, 100])
@pytest.mark.parametrize("q", TEXTS)
def test_the_pages_of_a_search_are_what_reading_everything_finds(q: str, limit: int) -> None:
    assert found("user_many", q, limit) == expected("user_many", q)


@pytest.mark.parametrize("q", TEXTS)
def test_a_search_finds_nothing_of_others(q: str) -> None:
    assert found("user_few", q) == expected("user_few", q)


def test_a_search_of_one_user_reads_none_of_the_others_messages() -> None:
    def work(session: Session) -> None:
        assert not search_conversations(session, "user_few", "absent", limit=20)
        assert len(search_conversations(session, "user_few", "WORDS", limit=20)) == 1

    assert rows_read(work) < 20


def test_a_search_stops_at_the_conversations_it_shows() -> None:
    def work(session: Session) -> None:
        assert len(search_conversations(session, "user_many", "words", limit=3)) == 4

    assert rows_read(work) < READ_NEWEST + 100


@pytest.mark.parametrize(("q", "found"), [("absent", 0), ("PLATYPUS", 1)])
def test_a_search_reads_little_of_one_long_conversation(q: str, found: int) -> None:
    """It has five thousand messages, and all or none match."""

    def work(session: Session) -> None:
        assert len(search_conversations(session, "user_other", q, limit=20)) == found

    assert rows_read(work) < READ_NEWEST + MATCHES + 100


@pytest.mark.parametrize(
    ("user", "q", "found", "column"),
    [
        ("user_many", "absent", 0, "content"),
        ("user_many", RARE, 1, "content"),
        ("user_many", "vital", 1, "content"),
        ("user_many", "q", 0, "content"),
        ("user_many", "qx", 0, "content"),
        ("user_many", "Vi", 1, "content"),
        ("user_many", "d'", 1, "content"),
        ("user_titles", "qx", 0, "title"),
        ("user_titles", "absent", 0, "title"),
        ("user_titles", "TITLE 7777", 1, "title"),
    ],
)
def test_what_is_rare_is_found_by_the_index_of_its_owner(
    user: str, q: str, found: int, column: str
) -> None:
    def work(session: Session) -> None:
        assert len(search_conversations(session, user, q, limit=20)) == found

    used = indexes_used(work)
    name = {"content": "ix_messages_search", "title": "ix_conversations_search"}[column]
    assert f"(user_id)::text = '{user}'" in used[name]
    assert f"({column}" in used[name]
    assert not tables_scanned(work)
    assert rows_read(work) < 4 * READ_NEWEST


@pytest.mark.parametrize("q", WITHOUT_TRIGRAM)
def test_a_text_without_a_trigram_is_looked_for_in_its_owners_messages_alone(q: str) -> None:
    def work(session: Session) -> None:
        search_conversations(session, "user_few", q, limit=20)

    assert not {"ix_messages_search", "ix_conversations_search"} & set(indexes_used(work))
    assert not tables_scanned(work)
    assert rows_read(work) < 20


def test_what_only_others_say_is_no_candidate() -> None:
    """Another user's five thousand messages contain it."""

    def work(session: Session) -> None:
        assert not search_conversations(session, "user_many", "platypus", limit=20)

    assert rows_read(work) < 3 * READ_NEWEST
