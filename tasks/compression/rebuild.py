"""Writes the shortened prompt: the original without the ranges that were dropped."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

_BLANK_LINE: Final = re.compile(r"\n[ \t\r]*+\n")


def without(text: str, dropped: Iterable[tuple[int, int]]) -> str:
    """`text` without the `dropped` ranges (in order, disjoint); all else byte for byte.

    Where something is gone, the whitespace around it becomes one space, one line break or one
    empty line, whichever it had at most; the indentation of what follows stays. Where there was no
    whitespace, none is put in.
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
    """What stands for the whitespace around a hole; the last of it comes just before what stays."""
    if not any("\n" in piece for piece in space):
        return " " if any(space) else ""
    newline = "\r\n" if any("\r\n" in piece for piece in space) else "\n"
    breaks = 2 if any(_BLANK_LINE.search(piece) for piece in space) else 1
    _, line_break, indentation = space[-1].rpartition("\n")
    return newline * breaks + (indentation if line_break else "")
