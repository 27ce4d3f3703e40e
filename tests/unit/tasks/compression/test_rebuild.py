"""What is kept is unchanged, except for white space around a cut."""

import pytest

from tasks.compression.rebuild import without


def drop(text: str, *gone: str) -> str:
    ranges = sorted((text.index(word), text.index(word) + len(word)) for word in gone)
    return without(text, ranges)


@pytest.mark.parametrize(
    ("text", "gone", "expected"),
    [
        ("one two three", ["two"], "one three"),
        ("one  two\tthree   four", ["two"], "one three   four"),
        ("one two", ["one"], "two"),
        ("one two \n", ["two"], "one"),
        ("one two three", ["one", "two", "three"], ""),
        ("one\n\ntwo\n\nthree", ["two"], "one\n\nthree"),
        ("one\ntwo\nthree", ["two"], "one\nthree"),
        ("one two\n    three", ["two"], "one\n    three"),
        ("one\n  two three", ["two"], "one\nthree"),
        ("  one two\n", ["two"], "  one"),
        ("one two three \n", ["two"], "one three \n"),
        ("one\r\n\r\ntwo three", ["two"], "one\r\n\r\nthree"),
        ("一二三", ["二"], "一三"),
        ("one two", [], "one two"),
    ],
)
def test_a_hole_leaves_at_most_the_break_that_was_there(
    text: str, gone: list[str], expected: str
) -> None:
    assert drop(text, *gone) == expected
