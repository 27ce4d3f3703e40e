"""Ask llmlingua which words of a text to keep, and map its words back to the text.

llmlingua 0.2.2 returns words as its tokenizer spells them: normalized, without spacing, and without
unknown ones. The text is therefore split here into windows that fit the model; each is tokenized
with offsets and grouped into words by llmlingua's own rule, and the two lists of words are aligned.
A word that llmlingua did not return has no label and is kept, so nothing is lost.
"""

import importlib
import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, Final, NamedTuple

# The model reads 512 tokens, including two special ones. llmlingua decodes and re-encodes the
# tokens, which may add a few; its own chunking handles those.
WINDOW: Final = 500
# llmlingua keeps what is above a percentile of the window, which is nothing for a few words.
_FEWEST_WORDS: Final = 8
# Private-use characters: no tokenizer produces them, and `unreadable` removes them from the text.
_WORD_SEP: Final = "\ue000"
_LABEL_SEP: Final = "\ue001"
_SPACE_MARK: Final = "\u2581"  # SentencePiece's symbol for a space
_SENTENCE_ENDS: Final = (".", "!", "?", "。", "！", "？")  # noqa: RUF001 - full width is intended


class Word(NamedTuple):
    """`text[start:end]`, and whether llmlingua would keep it; None if it has no label."""

    start: int
    end: int
    kept: bool | None


def unreadable(compressor: Any) -> re.Pattern[str]:
    """Return a pattern for what must not reach llmlingua: the model's special tokens, spelled out,
    and our separators.

    llmlingua takes a "[SEP]" or "<s>" in the text for the special token (and raises IndexError on
    some), and "[PAD]" for padding.
    """
    special = {*compressor.tokenizer.all_special_tokens, *compressor.special_tokens, "[PAD]"}
    special |= {_WORD_SEP, _LABEL_SEP, _SPACE_MARK}
    return re.compile("|".join(re.escape(token) for token in sorted(special, reverse=True)))


def words(compressor: Any, text: str, rate: float) -> Iterator[Word]:
    """Yield every word of `text` that the model knows, in order, labelled window by window."""
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
    """Yield (start, end) of consecutive windows of at most `WINDOW` tokens.

    They are cut at the end of a sentence if possible, else at a space, else anywhere.
    """
    first = 0
    while first < len(offsets):
        last = min(first + WINDOW, len(offsets))
        if last < len(offsets):
            last = _cut(text, offsets, first + WINDOW // 2, last)
        yield offsets[first][0], max(offsets[last - 1][1], offsets[first][0])
        first = last


def align(spelled: list[str], labelled: list[tuple[str, bool]]) -> list[bool | None]:
    """Return the label of each word of `spelled`; None for a word that `labelled` lacks there."""
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
    """Group tokens into words as llmlingua's `__merge_token_to_word` does, with their offsets."""
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
    """Exclude the leading space, which SentencePiece counts as part of the word."""
    while start < end and text[start].isspace():
        start += 1
    return start, end


def _ask(compressor: Any, window: str, rate: float) -> list[tuple[str, bool]]:
    """Get llmlingua's labels, parsed from the string in which it returns them.

    Its `force_tokens` and `force_reserve_digit` are not used: they accept at most 100 tokens, split
    words, force a word only by the mean of its parts, and count against the rate, so that no prose
    would be left of a text full of numbers. The caller keeps what is protected.
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
