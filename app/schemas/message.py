"""The message: a field that every call for a job has, with the same rules."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from config.settings import get_settings

# A character that is white space neither in Python nor in JavaScript, whose `\s` differ.
NOT_BLANK: Final = r"[^\s\u001c-\u001f\u0085\ufeff]"
_not_blank: Final = re.compile(NOT_BLANK)


def is_blank(text: str) -> bool:
    """Whether a text has nothing but white space."""
    return _not_blank.search(text) is None


def _check_message(message: str) -> str:
    if is_blank(message):
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
        json_schema_extra={"example": "What is the capital of France?", "pattern": NOT_BLANK},
    ),
]
