"""Programs from PyPI that check files of ours, in a virtual environment in the cache folder."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from .npm import CACHE, made_once

LIST = Path(__file__).with_name("tools.txt")
RUN_WITHIN_S = 300


def tool(
    program: str, *arguments: str, given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment, or its `python`, which has the packages of tools.txt."""
    return subprocess.run(
        [str(_folder() / "bin" / program), *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN_S,
        check=False,
    )


def _folder() -> Path:
    name = hashlib.sha256(LIST.read_bytes() + sys.version.encode()).hexdigest()[:16]
    return made_once(CACHE / f"tools-{name}", _install)


def _install(folder: Path) -> None:
    # It is moved afterwards: its scripts would look for their Python here, so run `python -m`.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    install = ("install", "--quiet", "--disable-pip-version-check", "--requirement", str(LIST))
    command = [sys.executable, "-m", "pip", "--python", f"{folder}/bin/python", *install]
    environ = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    subprocess.run(command, check=True, env=environ)
