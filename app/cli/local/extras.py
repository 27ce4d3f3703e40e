"""The packages of this distribution's extras: which are installed, and how to install the rest."""

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

ROOT: Final = Path(__file__).resolve().parents[3]
CONSTRAINTS: Final = ROOT / "constraints.txt"
_EXTRA: Final = re.compile(r"extra\s*==\s*['\"](?P<extra>\w+)['\"]")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")


def required(extra: str | None) -> Iterator[str]:
    """The packages of an extra; for None, those that Trimind always requires.

    Raises:
        PackageNotFoundError: Trimind itself is not installed.
    """
    for line in requires("trimind") or ():
        condition = _EXTRA.search(line)
        if (condition["extra"] if condition else None) == extra and (named := _NAME.match(line)):
            yield named[0]


def installed(package: str) -> str | None:
    """The installed version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def install(extra: str) -> None:
    """Install an extra's missing packages: by the hashes of its list, which has all but PyTorch,
    and the rest at the versions of constraints.txt.

    Raises:
        ClickException: pip is missing or fails; says what to do.
    """
    absent = _absent(extra)
    if not absent:
        return
    by_hand = f"install the checkout's extra `{extra}` yourself, then run this command again"
    for file in (CONSTRAINTS, _list(extra)):
        if not file.is_file():
            raise click.ClickException(f"this installation has no {file.name}: {by_hand}")
    if find_spec("pip") is None:
        raise click.ClickException(
            f"{sys.executable} has no pip: run `{sys.executable} -m ensurepip`, or {by_hand}"
        )
    click.echo(f"installing {', '.join(absent)} (PyTorch is large)")
    code = _pip("--require-hashes", "--no-deps", "--requirement", str(_list(extra)))
    if code == 0 and (rest := _absent(extra)):
        code = _pip("--constraint", str(CONSTRAINTS), *rest)
    if code != 0:
        raise click.ClickException(
            f"pip could not install {', '.join(absent)}; its last lines say why. Check the network,"
            f" the index and the free space and run this command again, or {by_hand}"
        )


def _absent(extra: str) -> list[str]:
    return [package for package in required(extra) if installed(package) is None]


def _list(extra: str) -> Path:
    return ROOT / f"deploy/requirements/{extra}.txt"


def _pip(*options: str) -> int:
    command = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *options)
    code = subprocess.call(command)
    importlib.invalidate_caches()
    return code
