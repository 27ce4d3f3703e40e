"""Counts tokens for the receipt, without ever using the network.

tiktoken fetches its vocabularies from the network unless `TIKTOKEN_CACHE_DIR` names a folder that
holds them under the SHA-1 of their address (tiktoken/load.py). LiteLLM ships two of them in that
form, so they are read from its wheel; LiteLLM itself (5 s, 170 MB) is not imported for it.
"""

import functools
import importlib.util
import os
from pathlib import Path
from typing import Final

import tiktoken

from tasks.compression.errors import CompressionFailed

# The SHA-1 of the address that tiktoken_ext/openai_public.py would fetch each vocabulary from.
_FILES: Final = {
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
}
DEFAULT_ENCODING: Final = "cl100k_base"  # llmlingua loads the same one: no second copy in memory
# tiktoken's regular expression overflows its stack (a panic, not an Exception) on strings of about
# a million characters without a break; texts are counted in slices of this many characters.
_SLICE: Final = 50_000


def use_shipped_vocabularies() -> Path:
    """Point `TIKTOKEN_CACHE_DIR` at the files in LiteLLM's wheel and return that folder.

    Raises:
        CompressionFailed: LiteLLM is not installed, or ships no such files.
    """
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        raise CompressionFailed("litellm is not installed: its wheel holds tiktoken's vocabularies")
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
        raise ValueError(f"unknown encoding {name!r}; known are {', '.join(_FILES)}")
    use_shipped_vocabularies()
    return tiktoken.get_encoding(name)


def first(text: str, limit: int, encoding: str = DEFAULT_ENCODING) -> str:
    """The beginning of `text`, `limit` tokens at most; the whole of it where it has no more.

    A character that the limit would halve is left out. Raises what `count` does.
    """
    coder = _encoding(encoding)
    tokens: list[int] = []
    for at in range(0, len(text), _SLICE):
        tokens += coder.encode_ordinary(text[at : at + _SLICE])
        if len(tokens) > limit:
            return coder.decode_bytes(tokens[:limit]).decode("utf-8", errors="ignore")
    return text


def count(text: str, encoding: str = DEFAULT_ENCODING) -> int:
    """How many tokens `text` has; above 50,000 characters it may be a few too many.

    An estimate of what a provider will bill: each has its own tokenizer. Special tokens in the
    text ("<|endoftext|>") count as the plain text that they are.

    Raises:
        CompressionFailed: the vocabularies are not there.
        ValueError: `encoding` is neither `cl100k_base` nor `o200k_base`.
    """
    encode = _encoding(encoding).encode_ordinary
    return sum(len(encode(text[at : at + _SLICE])) for at in range(0, len(text), _SLICE))
