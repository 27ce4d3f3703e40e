"""Asks llmlingua which words of a text to keep, and finds those words in the text again.

llmlingua 0.2.2 names the words as its tokenizer spells them: normalised, without the spacing, and
without those it does not know. The text is therefore cut here into windows that fit the model, each
is tokenised with offsets and grouped into words by llmlingua's own rule, and the two lists of words
are aligned. A word that llmlingua did not name has no label and stays: nothing gets lost.
"""

import importlib
import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, Final, NamedTuple

# The model reads 512 tokens, two of them its own. llmlingua makes text of its tokens and tokenises
# that again, which may give some more; the rest of the way is its own chunking's.
WINDOW: Final = 500
# llmlingua keeps what is above a percentile of the window: of a few words that is none.
_FEWEST_WORDS: Final = 8
# Private use characters: no tokenizer makes them, and `unreadable` takes them out of the text.
_WORD_SEP: Final = "\ue000"
_LABEL_SEP: Final = "\ue001"
_SPACE_MARK: Final = "\u2581"  # how SentencePiece writes a space
_SENTENCE_ENDS: Final = (".", "!", "?", "。", "！", "？")  # noqa: RUF001 - full width is meant


class Word(NamedTuple):
    """`text[start:end]`, and whether llmlingua would keep it; None if it did not say."""

    start: int
    end: int
    kept: bool | None


def unreadable(compressor: Any) -> re.Pattern[str]:
    """What must not reach llmlingua: the model's special tokens spelled out, and our separators.

    It takes a "[SEP]" or "<s>" in the text for the real thing (and fails with an IndexError on
    some), and "[PAD]" for padding.
    """
    special = {*compressor.tokenizer.all_special_tokens, *compressor.special_tokens, "[PAD]"}
    special |= {_WORD_SEP, _LABEL_SEP, _SPACE_MARK}
    return re.compile("|".join(re.escape(token) for token in sorted(special, reverse=True)))


def words(compressor: Any, text: str, rate: float) -> Iterator[Word]:
    """Every word of `text` that the model knows, in order, labelled window by window."""
    encoding = _encode(compressor, text)
    for start, end in windows(text, encoding["offset_mapping"]):
        window = text[start:end]
        spelled, places = _words(compressor, _encode(compressor, window), window)
        kept: list[bool | None] = [None] * len(spelled)
        if len(spelled) >= _FEWEST_WORDS:
            kept = align(spelled, _ask(compressor, window, rate))
        for (a, b), keep in zip(places, kept, strict=True):
            yield Word(start + a, start + b, keep)


def windows(text: str, offsets: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """(start, end) of consecutive windows of at most `WINDOW` tokens, cut where a sentence ends.

    Failing that where there is a space, failing that anywhere.
    """
    first = 0
    while first < len(offsets):
        last = min(first + WINDOW, len(offsets))
        if last < len(offsets):
            last = _cut(text, offsets, first + WINDOW // 2, last)
        yield offsets[first][0], max(offsets[last - 1][1], offsets[first][0])
        first = last


def align(spelled: list[str], labelled: list[tuple[str, bool]]) -> list[bool | None]:
    """The label of each word of `spelled`, None for a word that `labelled` does not have there."""
    if spelled == [word for word, _ in labelled]:
        return [keep for _, keep in labelled]
    kept: list[bool | None] = [None] * len(spelled)
    matcher = SequenceMatcher(None, spelled, [word for word, _ in labelled], autojunk=False)
    for mine, theirs, size in matcher.get_matching_blocks():
        kept[mine : mine + size] = [keep for _, keep in labelled[theirs : theirs + size]]
    return kept


def _cut(text: str, offsets: list[tuple[int, int]], first: int, last: int) -> int:
    space = 0
    for token in range(last, first, -1):
        before, after = offsets[token - 1][1], offsets[token][0]
        spaced = before < after or text[after].isspace()
        if (spaced and text[:before].endswith(_SENTENCE_ENDS, max(0, before - 1))) or (
            "\n" in text[before:after]
        ):
            return token
        if spaced and not space:
            space = token
    return space or last


def _encode(compressor: Any, text: str) -> Any:
    return compressor.tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
    )


def _words(compressor: Any, encoding: Any, text: str) -> tuple[list[str], list[tuple[int, int]]]:
    """Tokens grouped into words as llmlingua's `__merge_token_to_word` does, with their places."""
    rules = importlib.import_module("llmlingua.utils")
    spelled: list[str] = []
    places: list[tuple[int, int]] = []
    tokens = compressor.tokenizer.convert_ids_to_tokens(encoding["input_ids"])
    for token, (start, end) in zip(tokens, encoding["offset_mapping"], strict=True):
        if token in compressor.special_tokens:
            continue
        if not spelled or rules.is_begin_of_new_word(token, compressor.model_name, [], {}):
            spelled.append(token)
            places.append((start, end))
        else:
            spelled[-1] += rules.get_pure_token(token, compressor.model_name)
            places[-1] = (places[-1][0], max(end, places[-1][1]))
    named = [
        (word.lstrip(_SPACE_MARK), _trimmed(text, *place))
        for word, place in zip(spelled, places, strict=True)
        if word.strip(_SPACE_MARK)
    ]
    return [word for word, _ in named], [place for _, place in named]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """SentencePiece counts the space before a word as the word's."""
    while start < end and text[start].isspace():
        start += 1
    return start, end


def _ask(compressor: Any, window: str, rate: float) -> list[tuple[str, bool]]:
    """llmlingua's labels, read off the string in which it hands them out.

    Its own `force_tokens` and `force_reserve_digit` are not used: they take at most 100 tokens,
    break words apart, count a word as forced only in the mean of its parts, and spend the rate, so
    that of a text full of numbers no prose would be left. What is protected is kept by the caller.
    """
    answer = compressor.compress_prompt(
        [window],
        rate=rate,
        return_word_label=True,
        word_sep=_WORD_SEP,
        label_sep=_LABEL_SEP,
    )
    labelled = [pair.rsplit(_LABEL_SEP, 1) for pair in _pairs(answer)]
    return [(word, label == "1") for word, label in labelled if word]


def _pairs(answer: Any) -> list[str]:
    said: str = answer["fn_labeled_original_prompt"]
    return said.split(_WORD_SEP) if said else []
