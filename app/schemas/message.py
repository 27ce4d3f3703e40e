"""The message: a field that every call for a job has, with the same rules."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from config.settings import get_settings


def _check_message(message: str) -> str:
    if not message.strip():
        raise PydanticCustomError("blank", "must not be blank")
    limit = get_settings().max_message_chars
    if len(message) > limit:
        raise PydanticCustomError("message_too_long", "too long", {"limit": limit})
    return message


MessageText = Annotated[
    str,
    AfterValidator(_check_message),
    Field(
        description="The user's message. Must not be blank, nor longer than the server's "
        "`MAX_MESSAGE_CHARS`.",
        json_schema_extra={"example": "What is the capital of France?", "pattern": r"\S"},
    ),
]
