"""Which messages are blank: the same in the schema's pattern and in the server."""

import pytest

from app.schemas.message import is_blank

# White space in Python alone, in JavaScript alone, and in both.
SPACES = ["\x1c", "\x1f", "\x85", "\ufeff", " ", "\t", "\n", "\xa0", "\u2028", "\u3000"]


@pytest.mark.parametrize("space", SPACES)
def test_white_space_of_any_language_is_blank(space: str) -> None:
    assert is_blank(space * 3)
    assert not is_blank(f"{space}a{space}")


@pytest.mark.parametrize("text", ["\x00", "\u200b", ".", "\U0001f600"])
def test_any_other_character_is_not_blank(text: str) -> None:
    assert not is_blank(text)


def test_no_text_is_blank() -> None:
    assert is_blank("")
