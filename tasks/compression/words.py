# ruff: noqa: RUF001 - punctuation of other scripts is intended
"""Split a text into the units that a compressor may drop, as offsets into the text.

A unit is the text between two runs of whitespace, including punctuation ("state-of-the-art,"), so
that dropping it leaves its neighbors unchanged. A lone mark ("-", "##") belongs to the next word.
Scripts without spaces between words (Han, kana, Thai, ...) are split after the marks that end a
clause instead.

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
    """Whether `text` has a character of a script without spaces between words."""
    return _UNSPACED.search(text) is not None


def units(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of every unit of `text`, in order, with only whitespace between them."""
    for run in _RUN.finditer(text):
        if unspaced(run.group()):
            for clause in _CLAUSE.finditer(text, run.start(), run.end()):
                yield clause.span()
        else:
            yield run.span()
