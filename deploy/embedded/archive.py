"""A copy of a data folder in one file: the database, the secrets and the demo key.

Redis is left out: it only notifies. The server is stopped meanwhile, so its files are consistent.
"""

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import HomeLock, prepare_home

DATABASE: Final = "postgres"
FILES: Final = ("secrets.json", "demo-key")
# Left by a server that was killed; it would mistake another process for its own.
_LEFT_OUT: Final = frozenset({f"{DATABASE}/postmaster.pid", f"{DATABASE}/postmaster.opts"})


class ArchiveError(EmbeddedError):
    """The data can't be copied or restored; the message says what to do."""


def back_up(home: Path, archive: Path) -> int:
    """Write the folder's data to a new file that only this user can read; returns its size.

    Raises:
        ArchiveError: there is no data, or the file exists.
        HomeInUseError: Trimind runs on the folder.
        OSError: of the file, as if the disk is full; then there is none.
    """
    if not (home / DATABASE / "PG_VERSION").exists():
        raise ArchiveError(f"TRIMIND_HOME={home} has no data of `trimind up`")
    if archive.exists():
        raise ArchiveError(f"{archive} exists: choose another name")
    with HomeLock(home), _draft(archive) as draft:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=3) as tar:
                for name in (DATABASE, *FILES):
                    if (home / name).exists():
                        tar.add(home / name, name, filter=_kept)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(archive)
    return archive.stat().st_size


def restore(archive: Path, home: Path) -> None:
    """Restore a copy into a folder that has no data.

    Raises:
        ArchiveError: the folder has data, or the file is no copy made by `back_up`.
        HomeInUseError: Trimind runs on the folder.
        OSError: of the folder or the file; then the folder still has no data.
    """
    prepare_home(home)
    present = [name for name in (DATABASE, *FILES) if (home / name).exists()]
    if present:
        raise ArchiveError(
            f"TRIMIND_HOME={home} has data ({', '.join(present)}): set TRIMIND_HOME to a new folder"
        )
    with HomeLock(home), _draft(home / "restored") as draft:
        draft.mkdir(mode=0o700)
        _extract(archive, draft)
        for name in FILES:
            if (draft / name).exists():
                (draft / name).rename(home / name)
        (draft / DATABASE).rename(home / DATABASE)


def _extract(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive, "r:gz") as tar:
            # Neither links nor paths that lead out of the folder.
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise ArchiveError(f"{archive} is not a backup, or is damaged: {error}") from None
    except OSError as error:
        if error.errno is None:  # gzip's: no such file format
            raise ArchiveError(f"{archive} is not a backup, or is damaged: {error}") from None
        raise
    if not (folder / DATABASE / "PG_VERSION").is_file():
        raise ArchiveError(f"{archive} is not a backup: it has no database")
    (folder / DATABASE).chmod(0o700)  # PostgreSQL insists
    for name in FILES:
        if (folder / name).exists():
            (folder / name).chmod(0o600)


def _kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if member.name in _LEFT_OUT else member


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """A path beside this one, removed if it is left over."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
    finally:
        if draft.is_dir():
            shutil.rmtree(draft)
        else:
            draft.unlink(missing_ok=True)
