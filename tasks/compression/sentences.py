# ruff: noqa: RUF001 - punctuation of other scripts is intended
"""Find what the user asks for in prose: the questions and the instruction.

People put the instruction last ("... Summarise this.") or first ("Translate the following:"), so
both ends of a prompt are searched. Limits are in characters; without them, a text without any full
stop would be a single, entirely protected sentence.
"""

import re
from collections.abc import Iterator
from typing import Final

LONGEST = 400
"""Only the last this many characters of a longer sentence or paragraph are protected."""

# A full stop before whitespace, a full-width one anywhere, an empty line, or a line break before a
# list item or a heading. The look-behind keeps runs of marks ("!!!!!x") from taking quadratic time.
_END: Final = re.compile(
    r"(?<![.!?؟…])[.!?؟…]++[\"'”’»)\]*_]*+(?=\s|\Z)"
    r"|[。！？]++[”’」』）]*+"
    r"|\n(?=[ \t]*+(?:\n|\r|[-*+#>|•]|\d{1,3}[.)]))"
)
_PARAGRAPH: Final = re.compile(r"\n[ \t\r]*+\n")
_QUESTION_MARKS: Final = "?？؟"

Range = tuple[int, int]


def questions(text: str, start: int, end: int) -> Iterator[Range]:
    """Yield the sentences of `text[start:end]` that end with a question mark."""
    for first, last, mark in _sentences(text, start, end):
        if any(character in mark for character in _QUESTION_MARKS):
            yield _tail(text, first, last)


def instruction(text: str, start: int, end: int) -> Range | None:
    """Return the last paragraph of `text[start:end]`, or only its last sentence if it is long.

    A paragraph is long from a quarter of the text on: a prompt of one paragraph must not be
    protected entirely.
    """
    first, last = _stripped(text, start, end)
    if first == last:
        return None
    paragraph = _last_start(_PARAGRAPH, text, first, last)
    if last - paragraph <= min(LONGEST, len(text) // 4):
        return paragraph, last
    sentence = max(begin for begin, _, _ in _sentences(text, paragraph, last))
    return _tail(text, sentence, last)


def opening(text: str, start: int, end: int) -> Range | None:
    """Return the first sentence of `text[start:end]`, or the first paragraph if it ends in a colon.

    Only if it is short (an eighth of the text, at most 200 characters): "Summarise this:" is an
    instruction, while a long first sentence usually belongs to the material.
    """
    first, last = _stripped(text, start, end)
    limit = min(LONGEST // 2, len(text) // 8)
    paragraph = _PARAGRAPH.search(text, first, min(last, first + limit + 1))
    if paragraph and text[paragraph.start() - 1] in ":：":
        return first, paragraph.start()
    for begin, stop, _ in _sentences(text, first, last):
        return _stripped(text, begin, stop) if stop - begin <= limit else None
    return None


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, closing mark) of every sentence, including an unfinished last one."""
    begin = start
    for mark in _END.finditer(text, start, end):
        first, last = _stripped(text, begin, mark.end())
        if first < last:
            yield first, last, mark.group()
        begin = mark.end()
    first, last = _stripped(text, begin, end)
    if first < last:
        yield first, last, ""


def _tail(text: str, start: int, end: int) -> Range:
    """Return the range, cut at a space to at most its last `LONGEST` characters."""
    if end - start <= LONGEST:
        return start, end
    cut = re.compile(r"\s").search(text, end - LONGEST, end)
    return (cut.end() if cut else end - LONGEST), end


def _last_start(boundary: re.Pattern[str], text: str, start: int, end: int) -> int:
    found = start
    for match in boundary.finditer(text, start, end):
        found = match.end()
    return found


def _stripped(text: str, start: int, end: int) -> Range:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
