"""LLMLingua-2: a small token classifier says which words carry the meaning of a prompt.

Paper: Pan et al., "LLMLingua-2: Data Distillation for Efficient and Faithful Task-Agnostic Prompt
Compression", arXiv 2403.12968. Package: llmlingua 0.2.2; what is said of it here was read in its
source. Importing it with torch takes 2 to 9 s and about 270 MB, so it is imported when the weights
are loaded, once in a process: at the start of a worker by `warm`, or else by the first text.
"""

import importlib
import logging
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tasks.compression import labels, model_folder, protect, rebuild, result, tokens, words
from tasks.compression.draft import Draft, draft
from tasks.compression.errors import CompressionFailed
from tasks.compression.labels import Word
from tasks.compression.protect import Kind, Reading
from tasks.compression.result import Compressed

NAME: Final = "llmlingua2"
# In Chinese the word that turns a sentence round is one character, which a model may well drop.
_NEGATIONS: Final = frozenset("不没沒无無未非别別勿莫")

_log = logging.getLogger(__name__)
_loaded: dict[Path, Any] = {}
# For loading, and for every text: torch takes all cores for one anyway, and the tokenizers must
# not be used by two threads at once.
_lock = threading.RLock()


class LLMLingua2:
    """Compresses with the weights in a folder; see `model_folder` for what it must hold."""

    name: Final = NAME

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def compress(self, text: str, rate: float) -> Compressed:
        """Shorten the prose of `text` to about `rate` of its words; one text at a time.

        Protected spans (see `protect`) stay and are not counted. About 0.7 s for each 500 tokens
        with the multilingual BERT on two cores.

        Raises:
            ValueError: `rate` is not above 0; 1 or more gives the original.
            CompressionFailed: whatever went wrong; the original is still good.
        """
        if rate <= 0:
            raise ValueError(f"the rate must be above 0, not {rate}")
        if rate >= 1:
            return result.shorter_of(text, text, NAME)
        try:
            with _lock:
                return result.shorter_of(text, _shortened(_load(self.folder), text, rate), NAME)
        except CompressionFailed:
            raise
        except Exception as error:
            raise CompressionFailed(f"llmlingua failed: {type(error).__name__}: {error}") from error


def warm(folder: Path) -> None:
    """Load the weights into this process now, so that the first prompt does not wait for them.

    Raises:
        CompressionFailed: they cannot be loaded (`WeightsUnusable` if the folder is to blame).
    """
    LLMLingua2(folder).compress(
        "Nothing is better than one word too many, said the old printer.", 0.5
    )


def _shortened(compressor: Any, text: str, rate: float) -> str:
    reading = protect.read(text)
    if not reading.prose:
        return text
    read = draft(reading, labels.unreadable(compressor))
    labelled = list(labels.words(compressor, read.text, rate))
    if len(labelled) > 50 and all(word.kept is None for word in labelled):
        raise CompressionFailed("llmlingua labelled none of the words that the tokenizer found")
    return rebuild.without(text, _dropped(reading, _in_original(read, labelled)))


def _in_original(read: Draft, labelled: list[Word]) -> list[Word]:
    return [Word(*read.origin(word.start, word.end), word.kept) for word in labelled]


def _dropped(reading: Reading, labelled: list[Word]) -> Iterator[tuple[int, int]]:
    """What goes: units none of whose words is kept; in unspaced scripts, the single words."""
    at = 0
    for unit in reading.units:
        while at < len(labelled) and labelled[at].end <= unit.start:
            at += 1
        inside: list[Word] = []
        here = at
        while here < len(labelled) and labelled[here].start < unit.end:
            inside.append(labelled[here])
            here += 1
        if unit.kind is Kind.PROSE:
            yield from _gone(reading.text, unit.start, unit.end, inside)


def _gone(text: str, start: int, end: int, inside: list[Word]) -> Iterator[tuple[int, int]]:
    said = text[start:end]
    if words.unspaced(said):
        for word in inside:
            a, b = max(word.start, start), min(word.end, end)
            if word.kept is False and not _NEGATIONS.intersection(text[a:b]):
                yield a, b
        return
    # Marks do not decide about the word they stand at.
    telling = [w for w in inside if any(c.isalnum() for c in text[w.start : w.end])] or inside
    if telling and all(word.kept is False for word in telling):
        yield start, end


def _load(folder: Path) -> Any:
    folder = folder.absolute()
    if folder not in _loaded:
        model_folder.check(folder)
        tokens.use_shipped_vocabularies()  # the constructor asks tiktoken for cl100k_base
        with _hub_offline(), _random_state_of_its_own():
            _loaded[folder] = _construct(folder)
        _log.info("loaded LLMLingua-2 from %s", folder)
    return _loaded[folder]


def _construct(folder: Path) -> Any:
    importlib.import_module("transformers.utils.logging").disable_progress_bar()
    return importlib.import_module("llmlingua").PromptCompressor(
        str(folder),
        device_map="cpu",
        model_config={"trust_remote_code": False},  # it is changed: a fresh one each time
        use_llmlingua2=True,
        # No made-up tokens: they would resize the model, and "[NEW0]" in a prompt would be one.
        llmlingua2_config={"max_force_token": 0},
    )


@contextmanager
def _hub_offline() -> Iterator[None]:
    """Keep transformers off the network, whether or not it was imported before."""
    constants: Any = importlib.import_module("huggingface_hub.constants")
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def _random_state_of_its_own() -> Iterator[None]:
    """Undo llmlingua's `seed_everything(42)`.

    It would give every process the same random numbers, and so the same jitter between retries.
    """
    hash_seed = os.environ.get("PYTHONHASHSEED")
    try:
        yield
    finally:
        random.seed(os.urandom(32))
        importlib.import_module("numpy").random.seed(list(os.urandom(32)))
        importlib.import_module("torch").manual_seed(int.from_bytes(os.urandom(7)))
        os.environ.pop("PYTHONHASHSEED", None)
        if hash_seed is not None:
            os.environ["PYTHONHASHSEED"] = hash_seed
