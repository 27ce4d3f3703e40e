"""Write the lists of deploy/requirements: uv resolves them, for every platform at once, at the
versions of constraints.txt, and asks the index for the hashes."""

import configparser
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from deploy.supply_chain.lists import (
    INSTALLATIONS,
    Entry,
    Installation,
    direct,
    is_of_pytorch,
    parse,
    pins,
    render,
)

UV: Final = (sys.executable, "-m", "uv", "pip", "compile", "--quiet")


class NotLocked(Exception):
    """The lists were not written; the message says why."""


def lock(root: Path) -> Iterator[Path]:
    """Write all lists of a checkout, or none; yields each.

    Raises:
        NotLocked: uv failed, or something is not pinned.
    """
    resolved = {each.name: _resolve(each, root) for each in INSTALLATIONS}
    pinned = pins(root)
    loose = {each for entries in resolved.values() for each in entries if each.name not in pinned}
    if loose:
        names = sorted({f"{each.name}=={each.version}" for each in loose})
        raise NotLocked(f"constraints.txt lacks {', '.join(names)}")
    for each in INSTALLATIONS:
        included = {entry for base in each.bases for entry in resolved[base.name]}
        entries = [entry for entry in resolved[each.name] if entry not in included]
        each.file(root).parent.mkdir(exist_ok=True)
        each.file(root).write_text(render(each, entries), "utf-8")
        yield each.file(root)


def _resolve(installation: Installation, root: Path) -> list[Entry]:
    """The entries of a list and of those that it includes."""
    entries = _compile(direct(installation, root), root)
    for base in (installation, *_all_bases(installation)):
        entries += _compile(map(Requirement, base.alone), root, "--no-deps")
    return sorted(
        {each for each in entries if not is_of_pytorch(each.name)}, key=lambda each: each.name
    )


def _all_bases(installation: Installation) -> Iterator[Installation]:
    for base in installation.bases:
        yield base
        yield from _all_bases(base)


def _compile(requirements: Iterable[Requirement], root: Path, *options: str) -> list[Entry]:
    given = "".join(f"{each}\n" for each in requirements)
    if not given:
        return []
    setup = configparser.ConfigParser()
    setup.read(root / "setup.cfg", "utf-8")
    python = setup["options"]["python_requires"].removeprefix(">=")
    command = [*UV, "--universal", "--python-version", python, "--constraint", "constraints.txt"]
    command += ["--generate-hashes", "--no-annotate", "--no-header", *options, "-"]
    done = subprocess.run(command, cwd=root, input=given, capture_output=True, text=True)
    if done.returncode:
        raise NotLocked(done.stderr.removeprefix("error: ").strip())
    return list(parse(done.stdout).entries)
