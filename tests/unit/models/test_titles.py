"""The title that a conversation has from its first message."""

import pytest

from models.conversations import TITLE_CHARS, title_of, titles_of

LONG = "Explain in a few sentences why the sky is blue and the evening is red"


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ("Hello!", "Hello!"),
        ("\n  Hello!\nAnd more.", "Hello!"),
        (LONG, "Explain in a few sentences why the sky is blue and the…"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        ("a " + "x" * 99, "a " + "x" * 57 + "…"),
    ],
)
def test_a_long_first_line_is_cut_after_a_word(message: str, title: str) -> None:
    assert title_of(message) == title
    assert len(title) <= TITLE_CHARS
    assert title in titles_of(message.strip()[:TITLE_CHARS])


def test_a_title_of_an_earlier_version_is_still_known() -> None:
    assert LONG[:TITLE_CHARS] in titles_of(LONG[:TITLE_CHARS])
    assert titles_of("") == set()
