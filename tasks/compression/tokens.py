"""Count tokens for the receipt, without using the network.

tiktoken downloads its vocabularies unless `TIKTOKEN_CACHE_DIR` is a folder that contains them under
the SHA-1 of their URL (tiktoken/load.py). LiteLLM ships two of them in that form, so they are read
from its wheel, without importing LiteLLM itself (5 s, 170 MB).
"""

import functools
import importlib.util
import os
from pathlib import Path
from typing import Final

import tiktoken

from tasks.compression.errors import CompressionFailed

# The SHA-1 of the URL from which tiktoken_ext/openai_public.py downloads each vocabulary.
_FILES: Final = {
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
}
DEFAULT_ENCODING: Final = "cl100k_base"  # llmlingua uses the same one, so memory holds one copy
# tiktoken's regular expression overflows the stack (a panic, not an Exception) on about a million
# characters without a break, so texts are counted in slices of this many characters.
_SLICE: Final = 50_000


def use_shipped_vocabularies() -> Path:
    """Point `TIKTOKEN_CACHE_DIR` at the files in LiteLLM's wheel and return that folder.

    Raises:
        CompressionFailed: if LiteLLM is not installed or lacks the files.
    """
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        raise CompressionFailed("litellm is not installed; its wheel has tiktoken's vocabularies")
    folder = Path(spec.origin).parent / "litellm_core_utils" / "tokenizers"
    for name, file in _FILES.items():
        if not (folder / file).is_file():
            raise CompressionFailed(
                f"litellm does not ship the vocabulary {name} ({folder / file})"
            )
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    return folder


@functools.cache
def _encoding(name: str) -> tiktoken.Encoding:
    if name not in _FILES:
        raise ValueError(f"unknown encoding {name!r}; use {' or '.join(_FILES)}")
    use_shipped_vocabularies()
    return tiktoken.get_encoding(name)


def first(text: str, limit: int, encoding: str = DEFAULT_ENCODING) -> str:
    """Return the first `limit` tokens of `text`, or all of it if it has no more.

    A character that the limit would split is omitted. Raises the same errors as `count`.
    """
    coder = _encoding(encoding)
    tokens: list[int] = []
    for at in range(0, len(text), _SLICE):
        tokens += coder.encode_ordinary(text[at : at + _SLICE])
        if len(tokens) > limit:
            return coder.decode_bytes(tokens[:limit]).decode("utf-8", errors="ignore")
    return text


def count(text: str, encoding: str = DEFAULT_ENCODING) -> int:
    """Count the tokens of `text`; above 50,000 characters the result may be slightly too high.

    This estimates what a provider bills, since each has its own tokenizer. Special tokens in the
    text ("<|endoftext|>") count as plain text.

    Raises:
        CompressionFailed: if the vocabularies are missing.
        ValueError: if `encoding` is neither `cl100k_base` nor `o200k_base`.
    """
    encode = _encoding(encoding).encode_ordinary
    return sum(len(encode(text[at : at + _SLICE])) for at in range(0, len(text), _SLICE))
