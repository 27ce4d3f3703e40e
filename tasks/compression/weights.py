"""Where LLMLingua-2's weights are on this machine, and how they get there."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from config.logging import mask
from tasks.compression.errors import WeightsUnusable
from tasks.compression.model_folder import check, check_contents, needed

HUB_MODEL: Final = "microsoft/llmlingua-2-bert-base-multilingual-cased-meetingbank"
HOW_TO_GET: Final = "run `trimind models pull`, or `trimind models pull --from FOLDER` with a copy"

HUB_UNREAD: Final = "a proxy variable (NO_PROXY too) or HF_ENDPOINT can't be read"

_UNFINISHED: Final = ".pull-"
_ABANDONED_S: Final = 24 * 3600

Progress = Callable[[str], None]


def find_weights(home: Path, configured: Path | None) -> Path | None:
    """The folder to load: `configured` (LLMLINGUA_MODEL), else the first good one in home/models.

    Reads a few small files; imports nothing heavy. None: there are none, which is no error.

    Raises:
        WeightsUnusable: `configured` is given and will not do.
    """
    if configured is not None:
        try:
            check(configured)
        except WeightsUnusable as error:
            raise WeightsUnusable(f"LLMLINGUA_MODEL: {error}") from error
        return configured
    return next(filter(_usable, _folders(home / "models")), None)


def pull(home: Path, source: str | Path | None, progress: Progress) -> Path:
    """Put weights into home/models and return their folder; replaces those of the same name.

    `source` is a local folder to copy, of any name; None downloads `HUB_MODEL` (about 700 MB).
    `progress` is called with a line for people at each step. What is in home/models under its final
    name is always complete: a copy or a download is made beside it, checked, and then renamed.

    Raises:
        WeightsUnusable: the source will not do, or the hub cannot be reached.
        OSError: home/models cannot be written.
    """
    if source is not None:
        check_contents(Path(source))
    models = home / "models"
    models.mkdir(parents=True, exist_ok=True)
    _sweep(models)
    with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=models) as unfinished:
        folder = Path(unfinished) / "model"
        if source is None:
            _download(folder, progress)
        else:
            _copy(Path(source), folder, progress)
        target = models / _name(source, check_contents(folder))
        _replace(target, folder, Path(unfinished) / "old")
    check(target)
    progress(f"weights are in {target}")
    return target


def _folders(models: Path) -> list[Path]:
    if not models.is_dir():
        return []
    return sorted(path for path in models.iterdir() if not path.name.startswith("."))


def _usable(folder: Path) -> bool:
    try:
        check(folder)
    except WeightsUnusable:
        return False
    return True


def _copy(source: Path, target: Path, progress: Progress) -> None:
    target.mkdir()
    for name in needed(path.name for path in source.iterdir() if path.is_file()):
        progress(f"copying {name} ({(source / name).stat().st_size / 1e6:.1f} MB)")
        shutil.copyfile(source / name, target / name)


def _download(target: Path, progress: Progress) -> None:
    # Imported here, since half a second of it is no part of a worker's start.
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        progress(f"downloading {HUB_MODEL} from {api.endpoint}")
        names = needed(api.list_repo_files(HUB_MODEL))
        api.snapshot_download(HUB_MODEL, allow_patterns=names, local_dir=target)
    except Exception as error:  # the seam to the network: httpx's, the hub's and the system's
        # A URL that can't be read is a proxy's or the hub's, and may have a password in it.
        unread = isinstance(error, ValueError) or type(error).__name__ == "InvalidURL"
        why = HUB_UNREAD if unread else mask(" ".join(str(error).split()))
        raise WeightsUnusable(
            f"cannot download {HUB_MODEL}: {type(error).__name__}: {why}. Try again, or on a "
            "machine without access to the hub: `trimind models pull --from FOLDER` takes a copy"
        ) from error
    shutil.rmtree(target / ".cache", ignore_errors=True)  # the hub's notes about the download


def _name(source: str | Path | None, family: str) -> str:
    name = HUB_MODEL.rpartition("/")[2] if source is None else Path(source).resolve().name
    return name.lstrip(".") if family in name else f"llmlingua-2-{family}"


def _replace(target: Path, folder: Path, old: Path) -> None:
    """Rename, after what was there is out of the way; it goes with the unfinished folder."""
    if target.exists():
        target.rename(old)
    folder.rename(target)


def _sweep(models: Path) -> None:
    """Remove what killed pulls left behind; a day old, since one may be running."""
    for left in models.glob(f"{_UNFINISHED}*"):
        if time.time() - left.stat().st_mtime > _ABANDONED_S:
            shutil.rmtree(left, ignore_errors=True)
