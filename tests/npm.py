"""The npm packages of the tests, in a cache folder, run by the Node.js from PyPI."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LISTS = Path(__file__).parent / "node"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trimind-tests"
BIN = Path(sys.executable).parent
INSTALL_WITHIN_S = 300


@dataclass(frozen=True)
class Packages:
    """The packages of tests/node/package.json, installed."""

    folder: Path

    def run(
        self, *command: str, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a package's command, or `node`, with these additional variables; its output."""
        binaries = self.folder / "node_modules" / ".bin"
        path = f"{binaries}:{BIN}:{os.environ['PATH']}"
        return subprocess.run(
            command,
            cwd=cwd or self.folder,
            env={**os.environ, **variables, "PATH": path},
            capture_output=True,
            text=True,
            timeout=INSTALL_WITHIN_S,
            check=False,
        )


def install() -> Packages:
    """Install the packages, unless the cache folder has this list of them."""
    lists = [LISTS / name for name in ("package.json", "package-lock.json")]
    name = hashlib.sha256(b"".join(each.read_bytes() for each in lists)).hexdigest()[:16]

    def fetch(folder: Path) -> None:
        for each in lists:
            shutil.copy(each, folder)
        fetched = Packages(folder).run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        assert fetched.returncode == 0, fetched.stderr

    return Packages(made_once(CACHE / f"npm-{name}", fetch))


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """A folder filled by `make`, now or earlier. It is complete even if several processes fill it
    at the same time."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=folder.parent))
        make(new)
        try:
            new.rename(folder)
        except OSError:  # another one was faster
            shutil.rmtree(new)
    return folder
