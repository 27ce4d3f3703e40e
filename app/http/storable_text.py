"""Text that reaches the database: what PostgreSQL can't store is refused, by a code of its own."""

from typing import Final

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def refused_character(text: str) -> str | None:
    """The code of what makes a text unfit to be stored; None where it is fit."""
    if "\x00" in text:
        return "null_character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "lone_surrogate"
    return None


def clean(text: str) -> str:
    """The text, for pydantic, or its error where it is unfit."""
    if code := refused_character(text):
        raise PydanticCustomError(code, "has a " + code.replace("_", " "))
    return text


# It stands after the lengths: what follows it would be taken for a list's, by pydantic.
CLEAN: Final = AfterValidator(clean)
