"""The extractive compressor's guarantees hold for any text."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.compression import protect, words
from tasks.compression.extractive import Extractive

compress = Extractive().compress

_SAID = (
    "the release manager of our team was really thinking about migrations because customers would "
    "notice errors before monitoring alerts anybody and it is just a cluster with services"
)
WORDS = _SAID.split()

# A byte for each word: to draw them one by one took most of the time.
sentences = st.binary(min_size=3, max_size=25).map(
    lambda chosen: " ".join(WORDS[byte % len(WORDS)] for byte in chosen).capitalize() + "."
)
prose = st.lists(sentences, min_size=30, max_size=60).map(" ".join)
"""English of at least 30 sentences, with no protected span inside a sentence."""

pieces = st.sampled_from(
    [
        *WORDS,
        "not",
        "snake_case",
        "camelCase(x)",
        "a.b.c",
        "/usr/lib/x",
        "3.14",
        "`x = 1`",
        "```\ncode here\n```",
        "https://example.com/a?b=c",
        "Why is it so?",
        "漢字、",
        "かな。",
        "😀",
        "e\u0301",
        "-",
        "\n\n",
        "\n",
        "\r\n",
        "\t",
        "   ",
        "\u2028",
        "\x1e",
        "    indented = code",
        "\n- item",
    ]
)
mixed = st.lists(st.tuples(pieces, st.sampled_from([" ", " ", "", "\n"])), max_size=120).map(
    lambda parts: "".join(piece + space for piece, space in parts)
)
"""Everything that needs protection, side by side and in any order."""


def is_subsequence(part: list[str], whole: list[str]) -> bool:
    """Whether `part` is a subsequence of `whole`."""
    rest = iter(whole)
    return all(item in rest for item in part)


@given(st.text() | mixed, st.sampled_from([0.1, 0.5, 0.9]))
def test_any_text_is_compressed_to_verbatim_pieces_in_order(text: str, rate: float) -> None:
    done = compress(text, rate)
    assert done.tokens_after <= done.tokens_before
    assert is_subsequence(list("".join(done.text.split())), list("".join(text.split())))
    if not words.unspaced(text):
        assert is_subsequence(done.text.split(), text.split())


@given(mixed, prose)
@settings(max_examples=50)
def test_protected_spans_survive_byte_for_byte_and_in_order(text: str, tail: str) -> None:
    text = f"{text}\n\n{tail}"
    done = compress(text, 0.3)
    at = 0
    for span in protect.read(text).protected:
        at = done.text.index(text[span.start : span.end], at) + (span.end - span.start)


@given(prose, st.sampled_from([0.3, 0.5, 0.7]))
@settings(max_examples=40)
def test_the_rate_is_roughly_met_on_prose(text: str, rate: float) -> None:
    done = compress(text, rate)
    prose_only = sum(unit.end - unit.start + 1 for unit in protect.read(text).prose) / len(text)
    expected = 1 - prose_only * (1 - rate)
    assert abs(done.tokens_after / done.tokens_before - expected) < 0.15
