"""Conversations and their messages."""

from functools import lru_cache
from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Select,
    String,
    Text,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Id, Timestamp
from models.ids import new_id
from models.pages import page_of

TITLE_MAX_CHARS = 200
# Of the title that a first message gives.
TITLE_CHARS: Final = 60
ON_BUSY: Final = ("enqueue", "reject", "interrupt")


def title_of(message: str) -> str:
    """The title of a conversation that starts with this message: its first line, if need be cut
    after a word, with an ellipsis."""
    line = message.strip().splitlines()[0]
    return line if len(line) <= TITLE_CHARS else _cut(line)


def _cut(line: str) -> str:
    """The beginning of a line, of TITLE_CHARS at most. A script without spaces is cut anywhere."""
    beginning = line[: TITLE_CHARS - 1]
    words = beginning.rpartition(" ")[0].rstrip()
    return (words if len(words) > TITLE_CHARS // 2 else beginning) + "…"


def titles_of(beginning: str) -> set[str]:
    """What `title_of` may have made of a message of which only the first TITLE_CHARS are known,
    without the white space before it; none of a blank one."""
    line = next(iter(beginning.splitlines()), "")
    cut = {_cut(line)} if len(line) == TITLE_CHARS else set()  # earlier versions cut anywhere
    return {line, line.rstrip(), *cut} - {""}


class Conversation(Base):
    """One user's thread. `external_id` is its session id in the replaced system.

    `on_busy` says how to treat a message for a track that has an unfinished job.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        CheckConstraint(f"on_busy IN {ON_BUSY}", name="on_busy"),
        Index("uq_conversations_external", "user_id", "external_id", unique=True),
        Index("ix_conversations_listing", "user_id", "id"),
        Index(
            "ix_conversations_search",
            "user_id",
            "title",
            postgresql_using="gin",
            postgresql_ops={"title": "gin_trgm_ops"},
        ),
    )

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    external_id: Mapped[str | None] = mapped_column(String(255))
    title: Mapped[str | None] = mapped_column(String(TITLE_MAX_CHARS))
    on_busy: Mapped[str] = mapped_column(String(9), default=ON_BUSY[0], server_default=ON_BUSY[0])
    created_at: Mapped[Timestamp]
    updated_at: Mapped[Timestamp]


class Message(Base):
    """What a user or a mind said. A job has at most one answer.

    `user_id` is the conversation's, repeated for the index of the search.
    """

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint("role IN ('user', 'assistant')", name="role"),
        CheckConstraint("(role = 'assistant') = (job_id IS NOT NULL)", name="answer_has_job"),
        Index("ix_messages_listing", "conversation_id", "position"),
        Index(
            "ix_messages_search",
            "user_id",
            "content",
            postgresql_using="gin",
            postgresql_ops={"content": "gin_trgm_ops"},
        ),
    )

    id: Mapped[Id]
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(String(40))
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    role: Mapped[str] = mapped_column(String(9))
    mind: Mapped[str | None] = mapped_column(String(64))
    job_id: Mapped[str | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE", use_alter=True), unique=True
    )
    content: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Timestamp]


def create_conversation(
    session: Session, user_id: str, *, title: str | None = None, on_busy: str = ON_BUSY[0]
) -> Conversation:
    """Add a conversation for a user."""
    conversation = Conversation(id=new_id("conv"), user_id=user_id, title=title, on_busy=on_busy)
    session.add(conversation)
    session.flush()
    return conversation


def find_conversation(session: Session, user_id: str, conversation_id: str) -> Conversation | None:
    """A user's conversation; None if it is unknown or another user's."""
    return session.scalar(
        select(Conversation).where(
            Conversation.id == conversation_id, Conversation.user_id == user_id
        )
    )


def lock_conversation(session: Session, user_id: str, conversation_id: str) -> Conversation | None:
    """A user's conversation, locked until the transaction ends, or None.

    While it is locked, no other transaction adds or ends a job in it.
    """
    return session.scalar(
        select(Conversation)
        .where(Conversation.id == conversation_id, Conversation.user_id == user_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def list_conversations(
    session: Session, user_id: str, *, limit: int, after: str | None = None
) -> list[Conversation]:
    """A page of a user's conversations, newest first.

    Args:
        limit: the page size; one more is returned if there are more.
        after: the id of the last conversation of the previous page.

    Raises:
        InvalidRequest: `after` is not one of the user's conversations.
    """
    return page_of(session, of_user(user_id), Conversation.id, limit=limit, after=after)


def of_user(user_id: str) -> Select[tuple[Conversation]]:
    """All conversations of a user."""
    return select(Conversation).where(Conversation.user_id == user_id)


def find_session(session: Session, user_id: str, session_id: str) -> Conversation | None:
    """A user's conversation, by its session id in the replaced system or its own id."""
    return session.scalar(_session_statement(), {"user_id": user_id, "session_id": session_id})


@lru_cache(maxsize=1)
def _session_statement() -> Select[tuple[Conversation]]:
    """Each id is looked up in its own index: with OR, all of a user's conversations may be read. A
    session id that looks like one of ours wins."""
    given, either = bindparam("session_id", type_=String), aliased(Conversation)
    mine = select(either.id).where(either.user_id == bindparam("user_id"))
    by_session = mine.where(either.external_id == given).scalar_subquery()
    by_id = mine.where(either.id == given).scalar_subquery()
    return select(Conversation).where(Conversation.id == func.coalesce(by_session, by_id))


def get_or_create_session(
    session: Session, user_id: str, session_id: str, title: str
) -> Conversation:
    """The conversation of a session id, created once, on first use."""
    found = find_session(session, user_id, session_id)
    if found is None:
        session.execute(
            insert(Conversation)
            .values(id=new_id("conv"), user_id=user_id, external_id=session_id, title=title)
            .on_conflict_do_nothing(index_elements=["user_id", "external_id"])
        )
        found = find_session(session, user_id, session_id)
    assert found is not None  # noqa: S101 (the insert that lost waited for the other's commit)
    return found


def list_messages(
    session: Session,
    conversation: Conversation,
    *,
    limit: int,
    after: str | None = None,
    order: str = "asc",
) -> list[Message]:
    """A page of a conversation's messages.

    Args:
        limit: the page size; one more is returned if there are more.
        after: the id of the last message of the previous page.
        order: `asc`, oldest first, or `desc`.

    Raises:
        InvalidRequest: `after` is not one of the conversation's messages.
    """
    said = select(Message).where(Message.conversation_id == conversation.id)
    by, oldest_first = Message.position, order == "asc"
    return page_of(
        session, said, Message.id, limit=limit, after=after, by=by, oldest_first=oldest_first
    )


def find_message(session: Session, message_id: str | None) -> Message | None:
    """A message by its id, or None. Ownership is not checked."""
    return session.get(Message, message_id) if message_id is not None else None


def latest_messages(session: Session, conversation: Conversation, limit: int) -> list[Message]:
    """The last messages of a conversation, oldest first."""
    query = select(Message).where(Message.conversation_id == conversation.id)
    found = session.scalars(query.order_by(Message.position.desc()).limit(limit)).all()
    return list(reversed(found))
