# ruff: noqa: RUF001 - the marks of other languages are meant
"""Cuts a text into the units that a compressor may drop, by offsets into the text.

A unit is what stands between two runs of whitespace, punctuation included ("state-of-the-art,"), so
that dropping one leaves its neighbours byte for byte. A lone mark ("-", "##") belongs to the word
after it. Scripts that put no space between words (Han, kana, Thai, ...) are cut after the marks
that end a clause instead.

Every pattern here is possessive or anchored: the time is linear in the length of the text.
"""

import re
from collections.abc import Iterator
from typing import Final

# Thai to Tibetan, Myanmar, Khmer, CJK marks and kana, Han, compatibility and full-width forms,
# Han beyond the first plane (Unicode 16, Blocks.txt). Hangul is not here: Korean has spaces.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
_RUN: Final = re.compile(r"[-–—*+#>•·|.,;:!?()\"'/=~]++[ \t]++\S++|\S++")
_CLAUSE: Final = re.compile(
    r"[^。！？；，、：…]*+[。！？；，、：…]++[”’」』）】》]*+|[^。！？；，、：…]++"
)


def unspaced(text: str) -> bool:
    """Whether `text` has a character of a script that puts no space between its words."""
    return _UNSPACED.search(text) is not None


def units(text: str) -> Iterator[tuple[int, int]]:
    """The (start, end) of every unit of `text`, in order; only whitespace lies between them."""
    for run in _RUN.finditer(text):
        if unspaced(run.group()):
            for clause in _CLAUSE.finditer(text, run.start(), run.end()):
                yield clause.span()
        else:
            yield run.span()
