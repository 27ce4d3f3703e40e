"""Conversations and messages as they are sent and as they are answered."""

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
    "What becomes of a message for a mind that has not yet answered an earlier one here: `enqueue` "
    "answers it after that one, `reject` refuses it with 409 `conversation_busy`, `interrupt` "
    "cancels the earlier job."
)

Title = Annotated[str, Field(min_length=1, max_length=TITLE_MAX_CHARS)]
OnBusy = Literal["enqueue", "reject", "interrupt"]
SearchText = Annotated[str, Field(min_length=1, max_length=QUERY_MAX_CHARS), CLEAN]


class NewConversation(BaseModel):
    """A conversation to be begun."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"example": {"title": "Capitals"}}
    )

    title: Title | None = Field(None, description="What it is called.")
    on_busy: OnBusy = Field("enqueue", description=ON_BUSY)


class ConversationChange(BaseModel):
    """What shall be otherwise; one field at least."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"title": "Capitals"}, "minProperties": 1},
    )

    title: Title | None = Field(None, description="What it is called; null for nothing.")
    on_busy: OnBusy = Field("enqueue", description=ON_BUSY)

    @model_validator(mode="after")
    def _changes_something(self) -> "ConversationChange":
        if not self.model_fields_set:
            raise PydanticCustomError("nothing_to_change", "has no field of this call")
        return self


class ConversationQuery(PageQuery):
    """Which conversations."""

    q: SearchText | None = Field(
        None,
        description="Only those in whose title or messages this text stands, in whatever case. A "
        "search has 2 seconds.",
    )


class ConversationBody(Identified):
    """One user's thread."""

    model_config = ConfigDict(json_schema_extra={"example": CONVERSATION})

    id: str
    object: Literal["conversation"] = "conversation"
    title: str | None = Field(
        description="What it is called: first, the begin of its first message."
    )
    on_busy: OnBusy = Field(description=ON_BUSY)
    created_at: str
    updated_at: str = Field(description="When something was last said in it.")


class ConversationPage(Page[ConversationBody]):
    """Conversations, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": page_of(CONVERSATION)})


class MessageBody(Identified):
    """What the user or a mind said."""

    id: str
    object: Literal["message"] = "message"
    conversation_id: str
    job_id: str | None = Field(description="The job that the message began, or that answered it.")
    role: Literal["user", "assistant"]
    mind: str | None = Field(description="Who said it; null for the user.")
    content: str = Field(description="What was said, as it was said.")
    created_at: str


class MessagePage(Page[MessageBody]):
    """Messages, oldest first."""

    model_config = ConfigDict(json_schema_extra={"example": page_of(MESSAGE)})


def conversation_body(conversation: Conversation) -> ConversationBody:
    """A conversation as every call shows it."""
    return ConversationBody(
        id=conversation.id,
        title=conversation.title,
        on_busy=conversation.on_busy,
        created_at=timestamp(conversation.created_at),
        updated_at=timestamp(conversation.updated_at),
    )


def message_body(message: Message, job_id: str | None) -> MessageBody:
    """A message as every call shows it."""
    return MessageBody(
        id=message.id,
        conversation_id=message.conversation_id,
        job_id=job_id,
        role=message.role,
        mind=message.mind,
        content=message.content,
        created_at=timestamp(message.created_at),
    )
