"""Fixtures for the embedded servers: a data folder, and a supervisor to kill."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.settings import Settings
from deploy.embedded.process import module_environ

SUPERVISED = Path(__file__).with_name("supervised.py")
WAIT_S = 30


def _wait_until(condition: Callable[[], object], within_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.02)


@pytest.fixture
def wait_until() -> Callable[..., None]:
    return _wait_until


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset what other tests of the session set: here all servers are embedded."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def home() -> Iterator[Path]:
    """A data folder that PostgreSQL's user can enter, unlike `tmp_path`."""
    folder = Path(tempfile.mkdtemp(prefix="trimind-home-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def supervise(home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Runs supervised.py on the data folder, like `trimind up`."""
    started: list[subprocess.Popen[str]] = []

    def start(what: str, **environ: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(SUPERVISED), what, str(home)]
        process = subprocess.Popen(
            command,
            env=module_environ(os.environ) | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=WAIT_S)
