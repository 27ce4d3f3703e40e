"""Find LLMLingua-2's weights on this machine, or install them."""

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

HUB_UNREAD: Final = "a proxy variable (or NO_PROXY) or HF_ENDPOINT is malformed"

_UNFINISHED: Final = ".pull-"
_ABANDONED_S: Final = 24 * 3600

Progress = Callable[[str], None]


def find_weights(home: Path, configured: Path | None) -> Path | None:
    """Return the folder to load: `configured` (LLMLINGUA_MODEL), else the first usable one in
    home/models, or None if there is none.

    Reads a few small files and imports nothing heavy.

    Raises:
        WeightsUnusable: if `configured` is given and unusable.
    """
    if configured is not None:
        try:
            check(configured)
        except WeightsUnusable as error:
            raise WeightsUnusable(f"LLMLINGUA_MODEL: {error}") from error
        return configured
    return next(filter(_usable, _folders(home / "models")), None)


def pull(home: Path, source: str | Path | None, progress: Progress) -> Path:
    """Install weights in home/models and return their folder, replacing any of the same name.

    Weights under their final name are always complete: a copy or download is made next to them,
    checked, and then renamed.

    Args:
        home: the data folder.
        source: a local folder to copy, of any name; None downloads `HUB_MODEL` (about 700 MB).
        progress: called with a line for people at each step.

    Raises:
        WeightsUnusable: if the source is unusable or the hub is unreachable.
        OSError: if home/models is not writable.
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
    # Imported here, since it would add half a second to a worker's start.
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        progress(f"downloading {HUB_MODEL} from {api.endpoint}")
        names = needed(api.list_repo_files(HUB_MODEL))
        api.snapshot_download(HUB_MODEL, allow_patterns=names, local_dir=target)
    except Exception as error:  # the boundary to the network: errors of httpx, hub and system
        # A malformed URL is a proxy's or the hub's, and may contain a password.
        unread = isinstance(error, ValueError) or type(error).__name__ == "InvalidURL"
        why = HUB_UNREAD if unread else mask(" ".join(str(error).split()))
        raise WeightsUnusable(
            f"cannot download {HUB_MODEL}: {type(error).__name__}: {why}. Try again, or on a "
            "machine without access to the hub: `trimind models pull --from FOLDER` takes a copy"
        ) from error
    shutil.rmtree(target / ".cache", ignore_errors=True)  # the hub's metadata of the download


def _name(source: str | Path | None, family: str) -> str:
    name = HUB_MODEL.rpartition("/")[2] if source is None else Path(source).resolve().name
    return name.lstrip(".") if family in name else f"llmlingua-2-{family}"


def _replace(target: Path, folder: Path, old: Path) -> None:
    """Move the old folder out of the way, to be deleted with the unfinished one, and rename."""
    if target.exists():
        target.rename(old)
    folder.rename(target)


def _sweep(models: Path) -> None:
    """Remove what killed pulls left behind, after a day, since one may be running."""
    for left in models.glob(f"{_UNFINISHED}*"):
        if time.time() - left.stat().st_mtime > _ABANDONED_S:
            shutil.rmtree(left, ignore_errors=True)
