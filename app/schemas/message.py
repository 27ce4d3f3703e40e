"""The message: the one field that every way in has, with the same rules."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from config.settings import get_settings


def _says_something(message: str) -> str:
    if not message.strip():
        raise PydanticCustomError("blank", "is empty or only white space")
    limit = get_settings().max_message_chars
    if len(message) > limit:
        raise PydanticCustomError("message_too_long", "is too long", {"limit": limit})
    return message


MessageText = Annotated[
    str,
    AfterValidator(_says_something),
    Field(
        description="What the user says: not blank, at most MAX_MESSAGE_CHARS characters.",
        json_schema_extra={"example": "What is the capital of France?", "pattern": r"\S"},
    ),
]
