"""Make text storable: only complete, valid characters, even if it arrives in pieces."""

import re
from typing import Final

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def repaired(text: str) -> str:
    """Join surrogate pairs, replace lone surrogates by U+FFFD, and remove U+0000, since PostgreSQL
    accepts neither."""
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Joiner:
    """Repairs a text that arrives in pieces, which may split a surrogate pair."""

    def __init__(self) -> None:
        self._half = ""

    def add(self, piece: str) -> str:
        """Add a piece. Return the text that is complete so far."""
        if self._half:
            piece, self._half = self._half + piece, ""
        if piece and "\ud800" <= piece[-1] <= "\udbff":
            piece, self._half = piece[:-1], piece[-1]
        return repaired(piece)

    def end(self) -> str:
        """Return what is left at the end: U+FFFD for a lone surrogate, otherwise nothing."""
        half, self._half = self._half, ""
        return repaired(half)
