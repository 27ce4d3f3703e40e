"""Conversations and messages as they are sent and as they are answered."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.lists import Identified, Page
from app.schemas.times import timestamp
from models.conversations import TITLE_MAX_CHARS, Conversation, Message


class NewConversation(BaseModel):
    """A conversation to be begun."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"example": {"title": "Capitals"}}
    )

    title: Annotated[str, Field(min_length=1, max_length=TITLE_MAX_CHARS)] | None = Field(
        None, description="What it is called."
    )


class ConversationBody(Identified):
    """One user's thread."""

    id: str = Field(examples=["conv_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"])
    object: Literal["conversation"] = "conversation"
    title: str | None
    created_at: str
    updated_at: str = Field(description="When something was last said in it.")


class ConversationPage(Page[ConversationBody]):
    """Conversations, newest first."""


class MessageBody(Identified):
    """What the user or a mind said."""

    id: str = Field(examples=["msg_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"])
    object: Literal["message"] = "message"
    conversation_id: str
    job_id: str | None = Field(description="The job that the message began, or that answered it.")
    role: Literal["user", "assistant"]
    mind: str | None = Field(description="Who said it; null for the user.")
    content: str
    created_at: str


class MessagePage(Page[MessageBody]):
    """Messages, oldest first."""


def conversation_body(conversation: Conversation) -> ConversationBody:
    """A conversation as every call shows it."""
    return ConversationBody(
        id=conversation.id,
        title=conversation.title,
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
