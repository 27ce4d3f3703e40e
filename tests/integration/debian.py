"""Debian's programs that have no wheel, unpacked into a cache without root."""

import errno
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def unpacked(
    name: str,
    packages: tuple[str, ...],
    prepare: Callable[[Path, Path], None] | None = None,
    suite: str | None = None,
) -> Path:
    """The folder of these packages' files, downloaded once for this machine and user.

    Args:
        name: the name of the cache folder.
        packages: Debian packages, with the dependencies that the machine may lack.
        prepare: called with the folder of the files, and with their final folder.
        suite: the Debian release that has them, if not the machine's own packages.
    """
    cache = Path(tempfile.gettempdir()) / f"trimind-{name}-{os.getuid()}"
    if not cache.exists():
        with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
            made = _unpack(Path(folder), packages, suite)
            if prepare is not None:
                prepare(made, cache)
            try:
                made.rename(cache)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise  # else another process was faster
    return cache


def _unpack(folder: Path, packages: tuple[str, ...], suite: str | None) -> Path:
    made, lists = folder / "made", folder / "lists"
    lists.mkdir()
    made.mkdir()
    made.chmod(0o755)
    apt = ["apt-get", "-qq"]
    own = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={folder}"]
    if suite is not None:
        sources = folder / "sources.list"
        sources.write_text(f"deb [signed-by={KEYS}] http://deb.debian.org/debian {suite} main\n")
        own += ["-o", f"Dir::Etc::SourceList={sources}", "-o", "Dir::Etc::SourceParts=/dev/null"]
    known = suite is None and _download(apt, packages, folder, check=False)
    if not known:
        apt += own
        subprocess.run([*apt, "update"], cwd=folder, check=True)
        _download(apt, packages, folder, check=True)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, made], check=True)
    return made


def _download(apt: list[str], packages: tuple[str, ...], folder: Path, *, check: bool) -> bool:
    return not subprocess.run([*apt, "download", *packages], cwd=folder, check=check).returncode
