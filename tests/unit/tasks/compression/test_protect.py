"""Protected spans are found in any text."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.compression.protect import Kind, read, split

FILLER = "Some prose that goes on for a while, and then for another while, and says little. " * 4


def protected(text: str, kind: Kind) -> list[str]:
    return [text[span.start : span.end] for span in read(text).protected if span.kind is kind]


@pytest.mark.parametrize("fence", ["```", "~~~", "````"])
def test_a_fenced_block_is_code_from_fence_to_fence(fence: str) -> None:
    block = f"{fence}python\nx = why? \n\ny\n{fence}"
    text = f"{FILLER}\n\n{block}\n\n{FILLER}"
    assert protected(text, Kind.CODE) == [block]


def test_a_fence_that_is_never_closed_protects_the_rest() -> None:
    text = f"{FILLER}\n```\nx = 1\n\nwhile it goes on"
    assert protected(text, Kind.CODE) == ["```\nx = 1\n\nwhile it goes on"]


def test_lines_that_look_like_code_are_code_without_a_fence() -> None:
    text = f"{FILLER}\nif x:\n    for y in z\nint main() {{\n}}\n| a | b |\n{FILLER}"
    found = "\n".join(protected(text, Kind.CODE))
    for line in ("    for y in z", "int main() {", "}", "| a | b |"):
        assert line in found


def test_a_list_that_is_indented_is_not_code() -> None:
    assert protected(f"{FILLER}\n    - an item\n    1. another\n{FILLER}", Kind.CODE) == []


def test_inline_code_is_kept_together_with_what_touches_it() -> None:
    text = f"{FILLER}Call (`run all`), then wait. {FILLER}"
    assert protected(text, Kind.CODE) == ["(`run all`),"]


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("snake_case", Kind.IDENTIFIER),
        ("camelCase", Kind.IDENTIFIER),
        ("os.path.join", Kind.IDENTIFIER),
        ("/usr/local/bin", Kind.IDENTIFIER),
        ("C:\\Windows", Kind.IDENTIFIER),
        ("run()", Kind.IDENTIFIER),
        ("--verbose", Kind.IDENTIFIER),
        ("me@example.com", Kind.IDENTIFIER),
        ("3.14", Kind.NUMBER),
        ("$1,200", Kind.IDENTIFIER),
        ("٤٢", Kind.NUMBER),
        ("utf8", Kind.NUMBER),
        ("not", Kind.NEGATION),
        ("don’t", Kind.NEGATION),
        ("nicht", Kind.NEGATION),
        ("https://example.com/a_b?c=d#e", Kind.URL),
    ],
)
def test_what_is_spelled_exactly_is_protected(word: str, kind: Kind) -> None:
    assert word in protected(f"{FILLER}It is {word} here. {FILLER}", kind)


@pytest.mark.parametrize(
    "word", ["deployment", "well-known", "Straße", "naïve", "word,", "(aside)"]
)
def test_plain_words_are_prose(word: str) -> None:
    text = f"{FILLER}It is {word} here. {FILLER}"
    assert word in [text[unit.start : unit.end] for unit in read(text).prose]


@pytest.mark.parametrize(
    "question", ["What now?", "Is it so (really?)", "为什么？", "Would you\nsay so?", "لماذا؟"]
)
def test_a_question_is_protected_wherever_it_stands(question: str) -> None:
    assert protected(f"{FILLER}{question} {FILLER}", Kind.QUESTION) == [question]


def test_the_last_paragraph_is_the_instruction_where_it_is_short() -> None:
    text = f"{FILLER}\n\nBe brief. Write in verse."
    assert protected(text, Kind.INSTRUCTION)[-1] == "Be brief. Write in verse."


def test_the_last_sentence_is_the_instruction_of_a_single_paragraph() -> None:
    assert protected(f"{FILLER}Now write a poem", Kind.INSTRUCTION)[-1] == "Now write a poem"


def test_an_instruction_before_closing_code_is_found() -> None:
    text = f"{FILLER}\n\nExplain this.\n```\nx\n```\n"
    assert "Explain this." in protected(text, Kind.INSTRUCTION)


def test_a_short_opening_that_ends_in_a_colon_is_an_instruction() -> None:
    text = f"Be so kind. Summarise this:\n\n{FILLER}"
    assert protected(text, Kind.INSTRUCTION)[0] == "Be so kind. Summarise this:"


def test_text_without_a_full_stop_is_not_protected_as_one_sentence() -> None:
    reading = read("word " * 2_000 + "?")
    assert len(reading.prose) > 1_900


@given(st.text())
def test_spans_cover_any_text_without_gap_or_overlap(text: str) -> None:
    spans = split(text)
    assert "".join(text[span.start : span.end] for span in spans) == text
    assert all(a.end == b.start for a, b in pairwise(spans))


@given(st.text(alphabet="`~ \n.?!:a1_漢，。{"))
def test_units_cover_everything_but_whitespace_in_hostile_text(text: str) -> None:
    reading = read(text)
    covered = "".join(text[unit.start : unit.end] for unit in reading.units)
    assert "".join(covered.split()) == "".join(text.split())
    assert all(a.end <= b.start for a, b in pairwise(reading.blocks))


def test_the_space_after_a_fence_is_no_part_of_it() -> None:
    assert protected("```\ncode here\n``` \n\nSome words.", Kind.CODE) == ["```\ncode here\n```"]
