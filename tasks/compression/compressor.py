"""Select this machine's compressor."""

import importlib.util
from pathlib import Path
from typing import Protocol

from tasks.compression import extractive, llmlingua2, weights
from tasks.compression.result import Compressed


class Compressor(Protocol):
    """Shortens prompts."""

    @property
    def name(self) -> str:
        """The name in receipts, and of its breaker."""

    def compress(self, text: str, rate: float) -> Compressed:
        """Shorten the prose of `text` to about `rate` (above 0) of its length.

        Raises:
            CompressionFailed: if it can't be compressed; use the original.
            ValueError: if `rate` is 0 or less.
        """


def choose(home: Path, configured: Path | None) -> Compressor:
    """Return LLMLingua-2 if its weights and package are installed, else the extractive compressor.

    Loads nothing: `warm` or the first prompt does. Reads the disk, so call it once per process.

    Raises:
        WeightsUnusable: if `configured` (LLMLINGUA_MODEL) is given and unusable.
    """
    folder = weights.find_weights(home, configured)
    if folder is not None and _installed():
        return llmlingua2.LLMLingua2(folder)
    return extractive.Extractive()


def warm(compressor: Compressor) -> None:
    """Load a worker's compressor when it starts, so that the first prompt need not wait.

    Raises:
        CompressionFailed: if LLMLingua-2 can't be loaded.
    """
    if isinstance(compressor, llmlingua2.LLMLingua2):
        llmlingua2.warm(compressor.folder)
    else:
        compressor.compress("Loads the vocabulary that tokens are counted with.", 0.5)


def explain(home: Path, configured: Path | None) -> str:
    """Return one line that says which compressor is used and why.

    Raises:
        WeightsUnusable: as for `choose`.
    """
    folder = weights.find_weights(home, configured)
    if folder is None:
        return f"{extractive.NAME}: no LLMLingua-2 weights; {weights.HOW_TO_GET}"
    if not _installed():
        return f"{extractive.NAME}: llmlingua and torch are not installed; {weights.HOW_TO_GET}"
    return f"{llmlingua2.NAME}: weights in {folder}"


def _installed() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("llmlingua", "torch"))
