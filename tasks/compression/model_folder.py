"""Check by names and small files whether a folder contains a model that llmlingua can load."""

import json
import re
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from tasks.compression.errors import WeightsUnusable

# llmlingua 0.2.2 distinguishes the two families only by the path (llmlingua/utils.py).
FAMILIES: Final = {"bert": "bert-base-multilingual-cased", "xlm-roberta": "xlm-roberta-large"}
_TOKENIZERS: Final = ("tokenizer.json", "vocab.txt", "sentencepiece.bpe.model")
_SAFE: Final = "model.safetensors"
_PICKLED: Final = "pytorch_model.bin"
_NEEDED: Final = re.compile(
    r"config\.json|tokenizer(_config)?\.json|special_tokens_map\.json|added_tokens\.json|vocab\.txt"
    r"|sentencepiece\.bpe\.model"
)


def check(folder: Path) -> None:
    """Check that llmlingua can load `folder`, including its name.

    Raises:
        WeightsUnusable: if it can't; says what is wrong, and where.
    """
    family = check_contents(folder)
    named = [name for name in FAMILIES.values() if name in str(folder.absolute())]
    if named[:1] != [family] or family not in folder.name:
        raise WeightsUnusable(
            f"{folder}: the folder's name must contain {family!r} (and its path no other family's "
            "name): llmlingua recognizes the kind of model by it"
        )


def check_contents(folder: Path) -> str:
    """Return the model's family if the files are those of a token classifier that llmlingua knows.

    Raises:
        WeightsUnusable: if there is no folder, a link leads out of it, or a file is missing,
            truncated or invalid.
    """
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "there is no such folder"
        raise WeightsUnusable(f"{folder}: {what}")
    try:
        _check_links(folder)
        family = _family(folder)
        _check_files(folder)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise WeightsUnusable(f"{folder}: cannot be read: {error}") from error
    return family


def needed(names: Iterable[str]) -> list[str]:
    """Return the names of the files needed for loading, in order.

    Pickled weights load more slowly and are used only if there are no others.
    """
    there = sorted(names)
    weights = _SAFE if _SAFE in there else _PICKLED
    return [name for name in there if name == weights or _NEEDED.fullmatch(name)]


def _check_links(folder: Path) -> None:
    real = folder.resolve()
    for path in folder.iterdir():
        if path.is_symlink() and not path.resolve().is_relative_to(real):
            raise WeightsUnusable(
                f"{path}: links outside the folder; copy the folder with `cp -rL` first"
            )
        path.resolve(strict=True)  # since Python 3.13, only this refuses links in a circle


def _family(folder: Path) -> str:
    config = _config(folder)
    architectures = config.get("architectures") or []
    if not any("ForTokenClassification" in str(name) for name in architectures):
        raise WeightsUnusable(f"{folder}: not a token classifier (architectures: {architectures})")
    model_type = str(config.get("model_type"))
    if model_type not in FAMILIES:
        known = " and ".join(map(repr, FAMILIES))
        raise WeightsUnusable(f"{folder}: model_type is {model_type!r}; llmlingua knows {known}")
    return FAMILIES[model_type]


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsUnusable(f"{folder}: no config.json") from None
    except ValueError as error:
        raise WeightsUnusable(f"{folder}: config.json is not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise WeightsUnusable(f"{folder}: config.json is not an object")
    return config


def _check_files(folder: Path) -> None:
    for what, names in (("weights", (_SAFE, _PICKLED)), ("tokenizer", _TOKENIZERS)):
        if not any(_filled(folder / name) for name in names):
            raise WeightsUnusable(f"{folder}: no {what} (none of {', '.join(names)})")
    safe = folder / _SAFE
    if safe.exists() and not _whole(safe):
        raise WeightsUnusable(f"{safe}: truncated, or not a safetensors file; copy it again")


def _filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _whole(safetensors: Path) -> bool:
    """Whether the file is as long as its header says (huggingface/safetensors, "Format")."""
    size = safetensors.stat().st_size
    with safetensors.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > size:
            return False
        try:
            header = json.loads(file.read(length))
            ends = [e["data_offsets"][1] for name, e in header.items() if name != "__metadata__"]
        except (ValueError, LookupError, TypeError, AttributeError):
            return False
    return bool(size == 8 + length + max(ends, default=0))
