"""A new interpreter: for what importing something does to a process, or how a process ends."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

FreshPython = Callable[..., "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).resolve().parents[1]
END_WITHIN_S = 60


def run(
    code: str,
    *flags: str,
    env: Mapping[str, str] = os.environ,
    stdout: int | IO[str] = subprocess.PIPE,
    stderr: int | IO[str] = subprocess.PIPE,
    check: bool = False,
) -> "subprocess.CompletedProcess[str]":
    """Run code in an interpreter that can import the checkout, and wait for its end.

    Args:
        flags: options of the interpreter.
        env: the whole environment, to which PYTHONPATH is added.
        check: raise CalledProcessError if it fails.
    """
    return subprocess.run(
        [sys.executable, *flags, "-c", code],
        env={**env, "PYTHONPATH": str(ROOT)},
        stdout=stdout,
        stderr=stderr,
        text=True,
        timeout=END_WITHIN_S,
        check=check,
    )
