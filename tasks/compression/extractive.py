# ruff: noqa: RUF001 - punctuation of other scripts is intended
"""The extractive compressor: keeps the most informative words, without a model.

A word's score is its self-information, -log2 of its frequency, estimated in two ways: by how often
it has occurred in the text so far (a repeated word is less informative each time), and by its
length (frequent words are short: Zipf's law of abbreviation). It replaces LLMLingua-2 if there are
no weights. Deterministic, and linear except for one sort: about 1 ms per 1,000 characters.
"""

import math
from collections import Counter
from typing import Final

from tasks.compression import protect, rebuild, result, words
from tasks.compression.protect import Span
from tasks.compression.result import Compressed
from tasks.compression.stopwords import STOP_WORDS

NAME: Final = "extractive"
# With fewer droppable units there is too little choice; the original is better.
_FEWEST_UNITS: Final = 8
# A longer unit (a page of Thai, a base64 blob) is all or nothing, so it is kept.
_LONGEST_UNIT: Final = 200
_BITS_PER_LETTER: Final = 0.8
_REPEATED: Final = 2.0  # a repeated word is mostly predictable from its context too
_LONGEST_WORD: Final = 12
_CAPITAL_BITS: Final = 2.0
_SENTENCE_END_BITS: Final = 1.5  # dropping a full stop joins two sentences
_MARKS: Final = "\"'“”‘’«».,;:!?()*-–—… \t#+>•"


class Extractive:
    """Keeps the most informative words (in unspaced scripts: clauses) of a prompt, in order."""

    name: Final = NAME

    def compress(self, text: str, rate: float) -> Compressed:
        """Shorten the prose of `text` to about `rate` of its tokens.

        Protected spans (see `protect`) are kept and not counted. Text that offers no choice (a few
        words, one long clause) is returned unchanged, as is any text if `rate` is 1 or more.

        Raises:
            ValueError: if `rate` is 0 or less.
            CompressionFailed: if tokens can't be counted (LiteLLM's files are missing).
        """
        if rate <= 0:
            raise ValueError(f"the rate must be above 0, not {rate}")
        units = [u for u in protect.read(text).prose if u.end - u.start <= _LONGEST_UNIT]
        if rate >= 1 or len(units) < _FEWEST_UNITS:
            return result.shorter_of(text, text, NAME)
        kept = _best(units, scores(text, units), [_cost(text, u) for u in units], rate)
        dropped = [(u.start, u.end) for i, u in enumerate(units) if i not in kept]
        return result.shorter_of(text, rebuild.without(text, dropped), NAME)


def scores(text: str, units: list[Span]) -> list[float]:
    """Return the information of each unit in bits; stop words have almost none."""
    log_total = math.log2(len(units) + 1)
    seen: Counter[str] = Counter()
    found: list[float] = []
    for unit in units:
        said = text[unit.start : unit.end]
        bits = _clause_bits(said, seen) if words.unspaced(said) else _word_bits(said, seen)
        found.append(log_total + bits)
    return found


def _word_bits(said: str, seen: Counter[str]) -> float:
    """Bits relative to an average word of the text: negative for a repeated word."""
    bare = said.strip(_MARKS)
    word = bare.casefold().replace("’", "'")
    seen[word] += 1
    bits = -_REPEATED * math.log2(seen[word])
    if not word or word in STOP_WORDS:
        return bits - 100.0
    bits += _BITS_PER_LETTER * min(len(word), _LONGEST_WORD)
    bits += _CAPITAL_BITS if bare[0].isupper() else 0.0
    return bits + (_SENTENCE_END_BITS if said[-1] in ".!?" else 0.0)


def _clause_bits(said: str, seen: Counter[str]) -> float:
    """The mean over the clause's pairs of characters, since there are no words to count."""
    pairs = [said[i : i + 2] for i in range(max(1, len(said) - 1))]
    seen.update(pairs)
    return -sum(math.log2(seen[pair]) for pair in pairs) / len(pairs)


def _cost(text: str, unit: Span) -> int:
    """Estimate a unit's tokens: cl100k has about 5 bytes per token after the first."""
    return 1 + (len(text[unit.start : unit.end].encode("utf-8", "surrogatepass")) - 1) // 5


def _best(units: list[Span], bits: list[float], costs: list[int], rate: float) -> set[int]:
    """Return the indexes of the units that fit the budget, choosing the most informative first."""
    budget = rate * sum(costs)
    kept: set[int] = set()
    for index in sorted(range(len(units)), key=lambda i: -bits[i]):
        if costs[index] <= budget:
            kept.add(index)
            budget -= costs[index]
    return kept
