"""What a model is given to read: the prompt without its blocks, and the way back to the original.

Code, URLs, questions and the instruction stay anyway and are left out: the model's time goes by the
token. Identifiers and numbers stay in, as the context of the words around them.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass

from tasks.compression.protect import Reading


@dataclass(frozen=True)
class Draft:
    """A text made of stretches of another one."""

    text: str
    starts: tuple[int, ...]
    """Where each stretch starts in `text`; ascending, the first is 0."""
    origins: tuple[int, ...]
    """Where each stretch starts in the original."""

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The offsets in the original of `text[start:end]`, which lies within one stretch."""
        stretch = bisect_right(self.starts, start) - 1
        shift = self.origins[stretch] - self.starts[stretch]
        return start + shift, end + shift


def draft(reading: Reading, unreadable: re.Pattern[str]) -> Draft:
    """The draft of a prompt; what matches `unreadable` becomes as many spaces."""
    pieces: list[str] = []
    starts: list[int] = []
    origins: list[int] = []
    length = 0
    edges = [0, *(edge for block in reading.blocks for edge in block[:2]), len(reading.text)]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        starts.append(length)
        origins.append(start)
        stretch = unreadable.sub(lambda m: " " * len(m.group()), reading.text[start:end])
        pieces.append(stretch + " ")  # so that no word reaches over what was cut out
        length += len(stretch) + 1
    return Draft("".join(pieces), tuple(starts), tuple(origins))
