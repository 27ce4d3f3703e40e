"""LLMLingua-2: a small token classifier decides which words carry a prompt's meaning.

Paper: Pan et al., "LLMLingua-2: Data Distillation for Efficient and Faithful Task-Agnostic Prompt
Compression", arXiv 2403.12968. Package: llmlingua 0.2.2; the remarks here are from its source.
Importing it with torch takes 2 to 9 s and about 270 MB, so it is imported when the weights are
loaded, once per process: when a worker starts, by `warm`, or else by the first text.
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
from tasks.compression.errors import CompressionFailed
from tasks.compression.labels import Word
from tasks.compression.model_input import ModelInput, model_input
from tasks.compression.protect import Kind, Reading
from tasks.compression.result import Compressed

NAME: Final = "llmlingua2"
# In Chinese a single character negates a sentence, and a model may well drop it.
_NEGATIONS: Final = frozenset("不没沒无無未非别別勿莫")

_log = logging.getLogger(__name__)
_loaded: dict[Path, Any] = {}
# Guards loading and every text: the tokenizers are not thread-safe, and torch uses several cores
# for a single text anyway.
_lock = threading.RLock()


class LLMLingua2:
    """Compresses with the weights in a folder; see `model_folder` for what it must contain."""

    name: Final = NAME

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def compress(self, text: str, rate: float) -> Compressed:
        """Shorten the prose of `text` to about `rate` of its words, one text at a time.

        Protected spans (see `protect`) are kept and not counted. If `rate` is 1 or more, the text
        is returned unchanged. Takes about 0.7 s per 500 tokens with the multilingual BERT on two
        cores.

        Raises:
            ValueError: if `rate` is 0 or less.
            CompressionFailed: on any other error.
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
    """Load the weights into this process now, so that the first prompt need not wait.

    Raises:
        CompressionFailed: if they can't be loaded (`WeightsUnusable` if the folder is the cause).
    """
    LLMLingua2(folder).compress(
        "Nothing is better than one word too many, said the old printer.", 0.5
    )


def _shortened(compressor: Any, text: str, rate: float) -> str:
    reading = protect.read(text)
    if not reading.prose:
        return text
    read = model_input(reading, labels.unreadable(compressor))
    labelled = list(labels.words(compressor, read.text, rate))
    if len(labelled) > 50 and all(word.kept is None for word in labelled):
        raise CompressionFailed("llmlingua labelled none of the words that the tokenizer found")
    return rebuild.without(text, _dropped(reading, _in_original(read, labelled)))


def _in_original(read: ModelInput, labelled: list[Word]) -> list[Word]:
    return [Word(*read.origin(word.start, word.end), word.kept) for word in labelled]


def _dropped(reading: Reading, labelled: list[Word]) -> Iterator[tuple[int, int]]:
    """Yield what is dropped: units without a kept word, or single words in unspaced scripts."""
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
    # Punctuation does not decide about its word.
    telling = [w for w in inside if any(c.isalnum() for c in text[w.start : w.end])] or inside
    if telling and all(word.kept is False for word in telling):
        yield start, end


def _load(folder: Path) -> Any:
    folder = folder.absolute()
    if folder not in _loaded:
        model_folder.check(folder)
        tokens.use_shipped_vocabularies()  # the constructor loads cl100k_base from tiktoken
        with _hub_offline(), _random_state_of_its_own():
            _loaded[folder] = _construct(folder)
        _log.info("loaded LLMLingua-2 from %s", folder)
    return _loaded[folder]


def _construct(folder: Path) -> Any:
    importlib.import_module("transformers.utils.logging").disable_progress_bar()
    return importlib.import_module("llmlingua").PromptCompressor(
        str(folder),
        device_map="cpu",
        model_config={"trust_remote_code": False},  # llmlingua modifies it
        use_llmlingua2=True,
        # No additional tokens: they would resize the model, and match "[NEW0]" in a prompt.
        llmlingua2_config={"max_force_token": 0},
    )


@contextmanager
def _hub_offline() -> Iterator[None]:
    """Keep transformers off the network, even if it has been imported already."""
    constants: Any = importlib.import_module("huggingface_hub.constants")
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def _random_state_of_its_own() -> Iterator[None]:
    """Undo llmlingua's `seed_everything(42)`, which would give every process the same random
    numbers, and so the same jitter between retries."""
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
