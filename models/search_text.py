"""How a search's text is looked for, and whether the index of trigrams knows it."""

import re
from dataclasses import dataclass
from typing import Final

# Three characters of a word, one at its beginning, or two at its end. To the index, a word is a run
# of letters and digits.
_TRIGRAM: Final = re.compile(r"[^\W_]{3}|[\s!-/:-@\[-`{-~][^\W_]|[^\W_]{2}[\W_]")
# One or two characters that begin a word, in scripts that put something between words: Latin,
# Greek, Cyrillic, Armenian.
_BEGINS_WORD: Final = re.compile(r"[0-9A-Za-z\u00aa-\u058f].?", re.DOTALL)
# What may be before a word: nothing, a space, or a sign of ASCII or Latin-1. PostgreSQL looks for
# no trigram where a class has more than 256 characters, as `[^[:alnum:]]`, or one above U+07FF.
_SIGNS: Final = (
    r"\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9"
    r"\u00ab-\u00b4\u00b6-\u00b8\u00bb-\u00bf"
)
_BEFORE_WORD: Final = f"(^|[{_SIGNS}])"


@dataclass(frozen=True)
class SearchText:
    """What is looked for.

    Attributes:
        pattern: of LIKE, or a regular expression if `begins_word`.
        begins_word: it has to be the beginning of a word; else it may be anywhere.
        has_trigram: the index can be asked for it.
    """

    pattern: str
    begins_word: bool
    has_trigram: bool


def read_search_text(q: str) -> SearchText:
    """Say how `q` is looked for."""
    if _BEGINS_WORD.fullmatch(q) and q[0].isalnum():
        return SearchText(_BEFORE_WORD + re.escape(q), begins_word=True, has_trigram=True)
    found = _TRIGRAM.search(q) is not None
    return SearchText(_containing(q), begins_word=False, has_trigram=found)


def _containing(q: str) -> str:
    for special in ("\\", "%", "_"):
        q = q.replace(special, f"\\{special}")
    return f"%{q}%"
