"""The replaced system's bodies. Unknown fields are ignored: its clients send some of their own."""

# ruff: noqa: N815 (their names are what clients send)
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.auth.bearer import EXTERNAL_ID
from app.http.storable_text import CLEAN
from app.schemas.examples import SESSION_MESSAGE, ULID
from app.schemas.message import MessageText
from app.schemas.times import timestamp
from models.conversations import Conversation, Message

EXTERNAL_ID_MAX_CHARS = 255

SessionId = Annotated[str, Field(max_length=EXTERNAL_ID_MAX_CHARS), CLEAN]
GivenId = Annotated[str, Field(min_length=1, max_length=EXTERNAL_ID_MAX_CHARS), CLEAN]
ExternalUserId = Annotated[str, StringConstraints(pattern=EXTERNAL_ID)]


class Chat(BaseModel):
    """A message in the replaced system's format."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "example": {"message": "What is the capital of France?", "sessionId": "s-7"}
        },
    )

    message: MessageText
    sessionId: SessionId | None = Field(
        None, description="Your own id for the conversation, created on first use. Optional."
    )


class ChatAccepted(BaseModel):
    """Where to find the answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"jobId": f"job_{ULID}", "messageId": f"msg_{ULID}", "sessionId": "s-7"}
        }
    )

    jobId: str = Field(description="The job that answers the message: `/v1/jobs/{jobId}`.")
    messageId: str = Field(description="The message: your own id, if you sent one.")
    sessionId: str = Field(description="The session: your own id, or the conversation's.")


class ProcessJob(BaseModel):
    """A message that a service submits for one of its users."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "example": {
                "messageId": "m-42",
                "sessionId": "s-7",
                "userId": "user_2abc",
                "message": "What is the capital of France?",
            }
        },
    )

    messageId: GivenId = Field(description="Your id for the message. Repeating it is idempotent.")
    sessionId: GivenId = Field(description="Your id for the conversation.")
    userId: ExternalUserId = Field(
        description="Your id for the user: 1 to 255 visible ASCII characters."
    )
    message: MessageText


class SessionQuery(BaseModel):
    """The session to list."""

    sessionId: GivenId = Field(
        description="Your id for the session, or the conversation's id.",
        json_schema_extra={"example": "s-7"},
    )


class SessionMessage(BaseModel):
    """A message in the replaced system's format."""

    model_config = ConfigDict(json_schema_extra={"example": SESSION_MESSAGE})

    id: str
    sessionId: str
    userId: str
    role: Literal["user", "assistant"]
    content: str
    createdAt: str


def session_id_of(conversation: Conversation) -> str:
    """Return the id by which a client of the replaced system knows a conversation."""
    return conversation.external_id or conversation.id


def session_message(message: Message, session_id: str, user: str) -> SessionMessage:
    """Return a message in the replaced system's format."""
    return SessionMessage(
        id=message.id,
        sessionId=session_id,
        userId=user,
        role=message.role,
        content=message.content,
        createdAt=timestamp(message.created_at),
    )
