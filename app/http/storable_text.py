"""Text that reaches the database: what PostgreSQL can't store is refused with its own code."""

from typing import Final

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def refused_character(text: str) -> str | None:
    """Return the code of a character that can't be stored, if there is one."""
    if "\x00" in text:
        return "null_character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "lone_surrogate"
    return None


def clean(text: str) -> str:
    """Return the text. Raises PydanticCustomError if it can't be stored."""
    if code := refused_character(text):
        raise PydanticCustomError(code, unstorable(code))
    return text


def unstorable(code: str) -> str:
    """The message for the code of a refused character."""
    return f"must not contain a {code.replace('_', ' ')}"


# Must follow the length limits: pydantic takes limits after it for those of a list.
CLEAN: Final = AfterValidator(clean)
