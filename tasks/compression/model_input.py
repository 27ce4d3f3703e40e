"""The model's input: a prompt without its protected blocks, with offsets into the original.

Code, URLs, questions and the instruction are kept anyway, so they are omitted to save the model's
time. Identifiers and numbers stay in as context for the words around them.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass

from tasks.compression.protect import Reading


@dataclass(frozen=True)
class ModelInput:
    """A text made of stretches of the original."""

    text: str
    starts: tuple[int, ...]
    """Where each stretch starts in `text`; ascending, the first is 0."""
    origins: tuple[int, ...]
    """Where each stretch starts in the original."""

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Return the offsets in the original of `text[start:end]`, which lies within a stretch."""
        stretch = bisect_right(self.starts, start) - 1
        shift = self.origins[stretch] - self.starts[stretch]
        return start + shift, end + shift


def model_input(reading: Reading, unreadable: re.Pattern[str]) -> ModelInput:
    """Build a prompt's model input; whatever matches `unreadable` becomes as many spaces."""
    pieces: list[str] = []
    starts: list[int] = []
    origins: list[int] = []
    length = 0
    edges = [0, *(edge for block in reading.blocks for edge in block[:2]), len(reading.text)]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        starts.append(length)
        origins.append(start)
        stretch = unreadable.sub(lambda m: " " * len(m.group()), reading.text[start:end])
        pieces.append(stretch + " ")  # so that no word spans what was cut out
        length += len(stretch) + 1
    return ModelInput("".join(pieces), tuple(starts), tuple(origins))
