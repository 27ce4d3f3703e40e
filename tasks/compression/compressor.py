"""Chooses the compressor of this machine."""

import importlib.util
from pathlib import Path
from typing import Protocol

from tasks.compression import extractive, llmlingua2, weights
from tasks.compression.result import Compressed


class Compressor(Protocol):
    """Something that makes a prompt shorter."""

    @property
    def name(self) -> str:
        """As it stands in receipts; also the name of its breaker."""

    def compress(self, text: str, rate: float) -> Compressed:
        """Shorten the prose of `text` to about `rate` (above 0) of what it was.

        Raises:
            CompressionFailed: it cannot; use the original.
            ValueError: `rate` is 0 or less.
        """


def choose(home: Path, configured: Path | None) -> Compressor:
    """LLMLingua-2 where its weights and its package are, the extractive compressor elsewhere.

    Loads nothing yet: `warm` does, or the first prompt. Looks at the disk: choose once a process.

    Raises:
        WeightsUnusable: `configured` (LLMLINGUA_MODEL) is given and will not do.
    """
    folder = weights.find_weights(home, configured)
    if folder is not None and _installed():
        return llmlingua2.LLMLingua2(folder)
    return extractive.Extractive()


def warm(compressor: Compressor) -> None:
    """Do at the start of a worker what the first prompt would wait for.

    Raises:
        CompressionFailed: LLMLingua-2 cannot be loaded.
    """
    if isinstance(compressor, llmlingua2.LLMLingua2):
        llmlingua2.warm(compressor.folder)
    else:
        compressor.compress("Loads the vocabulary that tokens are counted with.", 0.5)


def explain(home: Path, configured: Path | None) -> str:
    """One line for people: which compressor serves here, and why.

    Raises:
        WeightsUnusable: as `choose`.
    """
    folder = weights.find_weights(home, configured)
    if folder is None:
        return f"{extractive.NAME}: no LLMLingua-2 weights; {weights.HOW_TO_GET}"
    if not _installed():
        return f"{extractive.NAME}: llmlingua and torch are not installed; {weights.HOW_TO_GET}"
    return f"{llmlingua2.NAME}: weights in {folder}"


def _installed() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("llmlingua", "torch"))
