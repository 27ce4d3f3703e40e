"""Text as it may be stored and sent on: whole characters alone, though it comes in pieces."""

import re
from typing import Final

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def repaired(text: str) -> str:
    """Join surrogate pairs, replace halves by U+FFFD, drop U+0000: PostgreSQL takes neither."""
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Joiner:
    """Repairs a text that comes in pieces: a pair may be cut between its halves."""

    def __init__(self) -> None:
        self._half = ""

    def add(self, piece: str) -> str:
        """The next of the text that is sure."""
        if self._half:
            piece, self._half = self._half + piece, ""
        if piece and "\ud800" <= piece[-1] <= "\udbff":
            piece, self._half = piece[:-1], piece[-1]
        return repaired(piece)

    def end(self) -> str:
        """What is left at the end: U+FFFD for a half without its other, mostly nothing."""
        half, self._half = self._half, ""
        return repaired(half)
