"""Compare deploy/requirements with constraints.txt and setup.cfg, without a network."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from deploy.supply_chain.installed import Distribution, closure
from deploy.supply_chain.lists import (
    INSTALLATIONS,
    Entry,
    Installation,
    Lines,
    direct,
    is_of_pytorch,
    parse,
    pins,
)

_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")


def differences(root: Path, found: Sequence[Distribution]) -> list[str]:
    """What `make lock` has to put right, a line each.

    What a requirement requires in turn is known of what is installed, and on this platform: of the
    rest, versions and hashes are compared.
    """
    pinned = pins(root)
    listed: set[str] = set()
    lines: list[str] = []
    for each in INSTALLATIONS:
        try:
            text = each.file(root).read_text("utf-8")
        except FileNotFoundError:
            return [f"{each.name}.txt is missing"]
        own = parse(text)
        listed |= {entry.name for entry in own.entries}
        wrong = [*_badly_pinned(own.entries, pinned), *_incomplete(each, root, own, found)]
        lines += [f"{each.name}.txt: {line}" for line in wrong]
    unused = sorted(name for name in pinned.keys() - listed if not is_of_pytorch(name))
    return lines + [f"constraints.txt: nothing requires {name}" for name in unused]


def _badly_pinned(entries: Sequence[Entry], pinned: dict[str, str]) -> Iterator[str]:
    for each in entries:
        if each.version != pinned.get(each.name):
            yield f"{each.requirement}, which constraints.txt has at {pinned.get(each.name)}"
        if not each.hashes or not all(map(_HASH.fullmatch, each.hashes)):
            yield f"{each.name} without its hashes"


def _incomplete(
    installation: Installation, root: Path, own: Lines, found: Sequence[Distribution]
) -> Iterator[str]:
    """What the list lacks, or has without need, on this platform."""
    alone = {name for each in _with_bases(installation) for name in each.alone}
    needed = closure(direct(installation, root), found) | set(map(canonicalize_name, alone))
    here = {entry.name for entry in own.entries if entry.applies}
    folder = installation.file(root).parent
    included = {entry.name for name in own.included for entry in _all_entries(folder / name)}
    for name in sorted(needed - here - included):
        if not is_of_pytorch(name):
            yield f"{name} is missing"
    for name in sorted(here - needed):
        yield f"nothing requires {name}"


def _all_entries(file: Path) -> Iterator[Entry]:
    own = parse(file.read_text("utf-8"))
    yield from (each for each in own.entries if each.applies)
    for name in own.included:
        yield from _all_entries(file.parent / name)


def _with_bases(installation: Installation) -> Iterator[Installation]:
    yield installation
    for base in installation.bases:
        yield from _with_bases(base)
