"""How a search's text is looked for."""

import re

import pytest

from models.search_text import read_search_text


@pytest.mark.parametrize("q", ["a", "R", "7", "ai", "C#", "é1", "д", "a ", "a\n", "Ω."])
def test_one_or_two_characters_of_a_word_are_its_beginning(q: str) -> None:
    text = read_search_text(q)

    assert text.begins_word
    assert text.has_trigram
    for before in ("", " ", "(", "_", "\n", "\xa0", "«", "-", "["):
        assert re.search(text.pattern, before + q), before
    for before in ("b", "9", "é", "ж", "文"):
        assert not re.search(text.pattern, before + q), before


@pytest.mark.parametrize("q", ["abc", " a", "a b", "ab ", "é文b", "x y", "100%"])
def test_what_is_longer_is_found_anywhere_by_the_index(q: str) -> None:
    text = read_search_text(q)

    assert not text.begins_word
    assert text.has_trigram


@pytest.mark.parametrize("q", ["文", "中文", "%", "_%", "....", "→", "«", "#a", "ไม่"[:2], " "])
def test_what_the_index_does_not_know_is_found_anywhere(q: str) -> None:
    text = read_search_text(q)

    assert not text.begins_word
    assert text.has_trigram == (q == "#a")


def test_signs_of_the_pattern_are_looked_for_as_they_are() -> None:
    assert read_search_text(r"a\_%b").pattern == r"%a\\\_\%b%"
    assert re.search(read_search_text("a.").pattern, "a.")
    assert not re.search(read_search_text("a.").pattern, "ab")
