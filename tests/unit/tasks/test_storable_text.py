"""Text consists of whole characters, however it was cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.execution.output_buffer import OutputBuffer
from tasks.storable_text import Joiner, repaired


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("plain", "plain"),
        ("é\u2028\u0085", "é\u2028\u0085"),
        ("\ud83d\ude00", "\U0001f600"),
        ("a\ud83db", "a\ufffdb"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        ("a\0b", "ab"),
    ],
)
def test_halves_are_joined_or_replaced(text: str, right: str) -> None:
    assert repaired(text) == right


@given(st.lists(st.text(st.characters(categories=["L", "Cs", "Cc"]))))
def test_a_text_is_the_same_however_it_is_cut(pieces: list[str]) -> None:
    joiner = Joiner()

    text = "".join(joiner.add(piece) for piece in pieces) + joiner.end()

    assert text == repaired("".join(pieces).replace("\0", ""))
    text.encode()


def test_a_draft_takes_no_text_that_cant_be_stored() -> None:
    draft = OutputBuffer(0)

    draft.add("a\udcaf\0b")

    assert draft.text == "a\ufffdb"
    assert draft.number == 3
