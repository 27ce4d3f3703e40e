# ruff: noqa: RUF001 - punctuation of other scripts is intended
"""Split a prompt into what a compressor must keep verbatim and the prose that it may shorten.

Protected are code (fenced, inline, and lines that look like code), URLs, exact spellings
(identifiers, paths, numbers), negations, questions and the instruction. Offsets are in characters
of the original. Nothing here raises, whatever the text; the time is linear in its length.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from tasks.compression import sentences, words


class Kind(StrEnum):
    """Why a span is protected; `PROSE` is not."""

    PROSE = "prose"
    CODE = "code"
    URL = "url"
    QUESTION = "question"
    INSTRUCTION = "instruction"
    IDENTIFIER = "identifier"
    NUMBER = "number"
    NEGATION = "negation"


class Span(NamedTuple):
    """`text[start:end]`, and what it is."""

    start: int
    end: int
    kind: Kind


@dataclass(frozen=True)
class Reading:
    """A prompt as a compressor sees it."""

    text: str
    blocks: tuple[Span, ...]
    """Code, URLs, questions and the instruction: in order, disjoint."""
    units: tuple[Span, ...]
    """Every unit of the text (see `words`), as prose or protected."""

    @property
    def prose(self) -> list[Span]:
        """The units that may be dropped."""
        return [unit for unit in self.units if unit.kind is Kind.PROSE]

    @property
    def protected(self) -> list[Span]:
        """What must be kept verbatim: in order, disjoint."""
        exact = (unit for unit in self.units if unit.kind is not Kind.PROSE)
        return list(_disjoint([*self.blocks, *exact]))


# An unclosed fence extends to the end of the text.
_FENCE: Final = re.compile(
    r"^ {0,3}(?P<fence>`{3,}+|~{3,}+)[^\n]*+(?:\n(?! {0,3}(?P=fence))[^\n]*+)*+"
    r"(?:\n {0,3}(?P=fence)[^\n]*+|\Z)?",
    re.MULTILINE,
)
# A line that is indented by four spaces or a tab (and not a list item), a table row, starts like a
# definition, an import or a tag, or ends the way lines of C, Python or shell do.
_CODE_LINE: Final = re.compile(
    r"^(?:(?: {4,}+|\t++)(?![-*+•] |\d{1,3}[.)] )\S[^\n]*+|\|[^\n]*+"
    r"|(?:(?:async )?def \w|class \w++ ?[:({]|import [\w{]|from [\w.]++ import |#include|</?\w"
    r"|(?:const|let|var) \w++ ?=)[^\n]*+"
    r"|[^\n]*(?:[{};\\]|\):|=>)(?=[ \t\r]*+$))",
    re.MULTILINE,
)
_INLINE_CODE: Final = re.compile(r"``[^\n]{1,500}?``|`[^`\n]++`")
_URL: Final = re.compile(
    r"(?:https?|ftp|file|wss?)://[^\s<>\"`。，、；！？）】」』]++|www\.[^\s<>\"`]++"
)
_EXACT: Final = re.compile(
    r"(?P<number>\d)"
    r"|(?P<identifier>_|\w\.\w|[a-z][A-Z]|[/\\@=<>{}\[\]~^$%&|]|::|->|\w\(|(?<!\S)--?[a-zA-Z])"
)
# Dropping one of these reverses a sentence's meaning. English, German, French, Spanish, Italian,
# Portuguese, Dutch, Russian.
_NEGATION_WORDS: Final = (
    "not no never none nor neither nothing nobody nowhere cannot without except unless nicht kein "
    "keine keinen keinem keiner nie niemals ohne ne pas jamais sans aucun aucune non nunca jamás "
    "sin ningún ninguna mai senza não nem sem niet geen nooit zonder не нет ни никогда без"
)
_NEGATIONS: Final = frozenset(_NEGATION_WORDS.split())
_MARKS: Final = "\"'“”‘’«».,;:!?()*-–—… \t"


def read(text: str) -> Reading:
    """Find everything in `text` that a compressor must keep."""
    fenced = _matches(_FENCE, Kind.CODE, text, [(0, len(text))])
    outside = list(_gaps(fenced, len(text)))
    code = [*fenced, *_matches(_CODE_LINE, Kind.CODE, text, outside)]
    prose = list(_gaps(_disjoint(code), len(text)))
    inline = _matches(_INLINE_CODE, Kind.CODE, text, prose)
    urls = _matches(_URL, Kind.URL, text, prose)
    blocks = tuple(_disjoint([*code, *inline, *urls, *_asked(text, prose)]))
    return Reading(text, blocks, tuple(_units(text, blocks)))


def split(text: str) -> list[Span]:
    """Return `text` as contiguous spans, alternately protected and prose."""
    spans: list[Span] = []
    for protected in read(text).protected:
        at = spans[-1].end if spans else 0
        if at < protected.start:
            spans.append(Span(at, protected.start, Kind.PROSE))
        spans.append(protected)
    at = spans[-1].end if spans else 0
    return [*spans, Span(at, len(text), Kind.PROSE)] if at < len(text) else spans


def _matches(
    pattern: re.Pattern[str], kind: Kind, text: str, ranges: Iterable[tuple[int, int]]
) -> list[Span]:
    """Return the matches without trailing white space, which `rebuild` replaces if something after
    it is dropped."""
    found = [m for a, b in ranges for m in pattern.finditer(text, a, b)]
    return [Span(m.start(), m.start() + len(m.group().rstrip()), kind) for m in found]


def _asked(text: str, prose: list[tuple[int, int]]) -> Iterator[Span]:
    """Yield the questions, and the last and the first passage outside of code."""
    for start, end in prose:
        for question in sentences.questions(text, start, end):
            yield Span(*question, Kind.QUESTION)
    said = [(a, b) for a, b in prose if text[a:b].strip()]
    if said:
        last, first = sentences.instruction(text, *said[-1]), sentences.opening(text, *said[0])
        yield from (Span(*found, Kind.INSTRUCTION) for found in (last, first) if found)


def _units(text: str, blocks: tuple[Span, ...]) -> Iterator[Span]:
    """Yield each unit with its kind; one that overlaps a block is protected as a whole."""
    at = 0
    for start, end in words.units(text):
        while at < len(blocks) and blocks[at].end <= start:
            at += 1
        if at < len(blocks) and blocks[at].start < end:
            yield Span(start, end, blocks[at].kind)
        else:
            yield Span(start, end, _kind(text[start:end]))


def _kind(unit: str) -> Kind:
    exact = _EXACT.search(unit)
    if exact:
        return Kind.NUMBER if exact.lastgroup == "number" else Kind.IDENTIFIER
    word = unit.strip(_MARKS).casefold()
    if word in _NEGATIONS or word.endswith(("n't", "n’t")):
        return Kind.NEGATION
    return Kind.PROSE


def _disjoint(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield the spans in order, merging those that overlap into one of the first one's kind."""
    current: Span | None = None
    for span in sorted(spans):
        if current is None:
            current = span
        elif span.start < current.end:
            current = current._replace(end=max(current.end, span.end))
        else:
            yield current
            current = span
    if current is not None:
        yield current


def _gaps(spans: Iterable[Span], length: int) -> Iterator[tuple[int, int]]:
    at = 0
    for span in spans:
        if at < span.start:
            yield at, span.start
        at = max(at, span.end)
    if at < length:
        yield at, length
