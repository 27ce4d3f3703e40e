"""The data folder: its location, its permissions and its lock."""

import fcntl
import json
import os
import shutil
import time
from pathlib import Path
from types import TracebackType

from config.home import data_home
from deploy.embedded.errors import MAKE_ROOM, HomeInUseError, HomeUnusableError
from deploy.embedded.sessions import Identity

__all__ = [
    "CLEANUP_S",
    "HomeLock",
    "check_room",
    "data_home",
    "prepare_home",
    "run_folder",
    "write_private",
]

# A killed supervisor's helper keeps the lock while it cleans up: 10 s of grace, and some margin.
CLEANUP_S = 20
_POLL_S = 0.1


def prepare_home(home: Path) -> None:
    """Create the folder and its `run`; 0755 as root, for PostgreSQL's user to enter, else 0700.

    A folder that already contains other files keeps its mode.

    Raises:
        HomeUnusableError: it cannot be created or written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        if _is_ours(home):
            home.chmod(0o755 if os.geteuid() == 0 else 0o700)
        run_folder(home).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise HomeUnusableError.by(home, error) from error


def check_room(home: Path, needed: int) -> None:
    """Check that the folder's disk has this many bytes free.

    Raises:
        HomeUnusableError: it does not.
    """
    free = shutil.disk_usage(home).free
    if free < needed:
        raise HomeUnusableError(
            f"TRIMIND_HOME={home} is on a disk with {free // 2**20} MB free, but"
            f" {needed // 2**20} MB are needed: {MAKE_ROOM}"
        )


def run_folder(home: Path) -> Path:
    """The folder of a running supervisor's state: its lock and its services."""
    return home / "run"


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read (0600), atomically."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def can_enter(path: Path, uid: int, gid: int) -> bool:
    """Whether a user without other groups can enter `path` and every folder above it."""
    return all(_may_pass(folder, uid, gid) for folder in _passed(path))


class HomeLock:
    """The data folder's lock; a context manager.

    After a kill -9, waits up to 20 s for the helper that cleans up and still has the lock.

    Raises:
        HomeInUseError: another supervisor uses the folder; names the folder and the process id.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = run_folder(home) / "lock"
        self.descriptor = -1

    def __enter__(self) -> "HomeLock":
        # Close-on-exec, like every descriptor in Python: the services don't inherit it.
        self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._wait_for_it()
        except HomeInUseError:
            os.close(self.descriptor)
            raise
        me = Identity.of(os.getpid())
        os.truncate(self.descriptor, 0)
        os.pwrite(self.descriptor, json.dumps([me.pid, me.started]).encode(), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self.descriptor)

    def _wait_for_it(self) -> None:
        deadline = time.monotonic() + CLEANUP_S
        while not self._try():
            holder = self._holder()
            if (holder and holder.alive()) or time.monotonic() >= deadline:
                raise HomeInUseError(
                    f"Trimind already runs on TRIMIND_HOME={self._home}"
                    f" (process {holder.pid if holder else 'unknown'}):"
                    " stop it first, or set TRIMIND_HOME to another folder"
                )
            time.sleep(_POLL_S)

    def _try(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> Identity | None:
        try:
            pid, started = json.loads(self._path.read_text())
        except ValueError:  # it has just been acquired
            return None
        return Identity(pid, started)


def _is_ours(home: Path) -> bool:
    return run_folder(home).is_dir() or not any(home.iterdir())


def _passed(path: Path) -> set[Path]:
    real = path.resolve()  # for a symbolic link, both paths count
    return {path, *path.parents, real, *real.parents}


def _may_pass(folder: Path, uid: int, gid: int) -> bool:
    stat = folder.stat()
    if stat.st_uid == uid:
        return bool(stat.st_mode & 0o100)
    return bool(stat.st_mode & (0o010 if stat.st_gid == gid else 0o001))
