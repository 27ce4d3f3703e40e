"""Request and response bodies of conversations and messages."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.http.storable_text import CLEAN
from app.schemas.examples import CONVERSATION, MESSAGE, page_of
from app.schemas.lists import Identified, Page, PageQuery
from app.schemas.times import timestamp
from models.conversations import TITLE_MAX_CHARS, Conversation, Message

QUERY_MAX_CHARS: Final = 200
ON_BUSY: Final = (
    "What to do with a message for a mind that is still answering an earlier one in this "
    "conversation: `enqueue` answers it afterwards, `reject` refuses it with 409 "
    "`conversation_busy`, `interrupt` cancels the earlier job."
)

Title = Annotated[str, Field(min_length=1, max_length=TITLE_MAX_CHARS)]
OnBusy = Literal["enqueue", "reject", "interrupt"]
SearchText = Annotated[str, Field(min_length=1, max_length=QUERY_MAX_CHARS), CLEAN]


class NewConversation(BaseModel):
    """A conversation to create."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"title": "Capitals"}},
        openapi_extra={"required": False},  # type: ignore[typeddict-unknown-key]
    )

    title: Title | None = Field(None, description="The conversation's title.")
    on_busy: OnBusy = Field("enqueue", description=ON_BUSY)


class ConversationChange(BaseModel):
    """The fields to change; at least one is required."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"title": "Capitals"}, "minProperties": 1},
    )

    title: Title | None = Field(None, description="The new title; null removes it.")
    on_busy: OnBusy = Field("enqueue", description=ON_BUSY)

    @model_validator(mode="after")
    def _changes_something(self) -> "ConversationChange":
        if not self.model_fields_set:
            raise PydanticCustomError("nothing_to_change", "must set at least one field")
        return self


class ConversationQuery(PageQuery):
    """Filters for listing conversations."""

    q: SearchText | None = Field(
        None,
        description="Only conversations whose title or messages contain this text, ignoring case. "
        "One or two letters or digits are found at the beginning of a word. "
        "A search may take up to 2 seconds.",
    )


class MessageQuery(PageQuery):
    """The order of the messages."""

    order: Literal["asc", "desc"] = Field("asc", description="Oldest first, or newest first.")


class ConversationBody(Identified):
    """A user's thread of messages."""

    model_config = ConfigDict(json_schema_extra={"example": CONVERSATION})

    id: str
    object: Literal["conversation"] = "conversation"
    title: str | None = Field(
        description="The title. Defaults to the beginning of the first message."
    )
    on_busy: OnBusy = Field(description=ON_BUSY)
    created_at: str
    updated_at: str = Field(description="When the latest message was added.")


class ConversationPage(Page[ConversationBody]):
    """A page of conversations, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": page_of(CONVERSATION)})


class MessageBody(Identified):
    """A message of the user or of a mind."""

    id: str
    object: Literal["message"] = "message"
    conversation_id: str
    job_id: str | None = Field(description="The job that the message started or that wrote it.")
    role: Literal["user", "assistant"]
    mind: str | None = Field(description="The mind that wrote it; null for the user.")
    content: str = Field(description="The text, verbatim.")
    created_at: str


class MessagePage(Page[MessageBody]):
    """A page of messages."""

    model_config = ConfigDict(json_schema_extra={"example": page_of(MESSAGE)})


def conversation_body(conversation: Conversation) -> ConversationBody:
    """Return a conversation's response body."""
    return ConversationBody(
        id=conversation.id,
        title=conversation.title,
        on_busy=conversation.on_busy,
        created_at=timestamp(conversation.created_at),
        updated_at=timestamp(conversation.updated_at),
    )


def message_body(message: Message, job_id: str | None) -> MessageBody:
    """Return a message's response body."""
    return MessageBody(
        id=message.id,
        conversation_id=message.conversation_id,
        job_id=job_id,
        role=message.role,
        mind=message.mind,
        content=message.content,
        created_at=timestamp(message.created_at),
    )
