"""Build the shortened prompt: the original without the dropped ranges."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

_BLANK_LINE: Final = re.compile(r"\n[ \t\r]*+\n")


def without(text: str, dropped: Iterable[tuple[int, int]]) -> str:
    """Return `text` without the `dropped` ranges (in order, disjoint), otherwise verbatim.

    The whitespace around a dropped range becomes one space, one line break or one empty line,
    whichever is the largest that it contained; the indentation of what follows is kept. If there
    was no whitespace, none is inserted.
    """
    out: list[str] = []
    space: list[str] = []
    stretches = list(_between(text, dropped))
    for number, stretch in enumerate(stretches):
        body = stretch.strip()
        if not body:
            space.append(stretch)
            continue
        lead, _, trail = stretch.partition(body)
        if number == 0:
            out.append(lead)
        elif out:
            out.append(_separator([*space, lead]))
        out.append(body)
        space = [trail]
    if stretches[-1].strip():
        out += space
    return "".join(out)


def _between(text: str, dropped: Iterable[tuple[int, int]]) -> Iterator[str]:
    at = 0
    for start, end in dropped:
        yield text[at:start]
        at = end
    yield text[at:]


def _separator(space: list[str]) -> str:
    """Return the replacement for the whitespace around a dropped range; the last piece directly
    precedes what is kept."""
    if not any("\n" in piece for piece in space):
        return " " if any(space) else ""
    newline = "\r\n" if any("\r\n" in piece for piece in space) else "\n"
    breaks = 2 if any(_BLANK_LINE.search(piece) for piece in space) else 1
    _, line_break, indentation = space[-1].rpartition("\n")
    return newline * breaks + (indentation if line_break else "")
