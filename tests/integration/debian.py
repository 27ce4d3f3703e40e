"""Debian's programs that have no wheel, unpacked into a cache without root."""

import errno
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path


def unpacked(
    name: str, packages: tuple[str, ...], prepare: Callable[[Path, Path], None] | None = None
) -> Path:
    """The folder of these packages' files, downloaded once for this machine and user.

    Args:
        name: the name of the cache folder.
        packages: Debian packages, with the dependencies that the machine may lack.
        prepare: called with the folder of the files, and with their final folder.
    """
    cache = Path(tempfile.gettempdir()) / f"trimind-{name}-{os.getuid()}"
    if not cache.exists():
        with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
            made = _unpack(Path(folder), packages)
            if prepare is not None:
                prepare(made, cache)
            try:
                made.rename(cache)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise  # else another process was faster
    return cache


def _unpack(folder: Path, packages: tuple[str, ...]) -> Path:
    made, lists = folder / "made", folder / "lists"
    lists.mkdir()
    made.mkdir()
    made.chmod(0o755)
    apt = ["apt-get", "-qq"]
    if subprocess.run([*apt, "download", *packages], cwd=folder, check=False).returncode:
        apt += ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={folder}"]
        subprocess.run([*apt, "update"], cwd=folder, check=True)
        subprocess.run([*apt, "download", *packages], cwd=folder, check=True)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, made], check=True)
    return made
