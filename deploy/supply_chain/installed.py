"""The distributions that are installed here, as their own metadata describes them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, distributions
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.supply_chain.licences import SPELLINGS, is_known

OURS: Final = "trimind"


@dataclass(frozen=True, order=True)
class Distribution:
    """One distribution. `licence` is an SPDX expression, or else empty; then `licences` are what
    its metadata names, in its own words."""

    name: str
    version: str
    licence: str
    licences: tuple[str, ...]
    requirements: tuple[str, ...] = ()

    @property
    def purl(self) -> str:
        """Its package URL, without the part of the version that only a local build has."""
        return f"pkg:pypi/{self.name}@{self.public_version}"

    @property
    def public_version(self) -> str:
        """The version by which the index knows it: `2.13.0` of `2.13.0+cpu`."""
        return self.version.partition("+")[0]


def installed(path: Sequence[str] | None = None) -> list[Distribution]:
    """The distributions on a path, by default that of this process; by name."""
    found: dict[str, Distribution] = {}
    for each in distributions() if path is None else distributions(path=list(path)):
        name = canonicalize_name(each.name)
        licence, licences = _licence(each.metadata)
        required = tuple(each.requires or ())
        # The first one on the path is what is imported.
        found.setdefault(name, Distribution(name, each.version, licence, licences, required))
    return sorted(found.values())


def dependencies(found: Sequence[Distribution]) -> dict[str, set[str]]:
    """Which of the distributions each of them requires here, with the extras that were asked for;
    of Trimind's own extras, all."""
    by_name = {each.name: each for each in found}
    edges: dict[str, set[str]] = {name: set() for name in by_name}
    seen: set[tuple[str, str]] = set()
    due = [(name, "") for name in by_name]
    if OURS in by_name:
        due += [(OURS, extra) for extra in _extras(by_name[OURS])]
    while due:
        name, extra = due.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for required, its_extra in _required_by(by_name[name], extra):
            if required in by_name:
                edges[name].add(required)
                due.append((required, its_extra))
    return edges


def closure(requirements: Iterable[Requirement], found: Sequence[Distribution]) -> set[str]:
    """The names of all that is required here, directly or in turn. What something requires in turn
    is known only if it is installed."""
    by_name = {each.name: each for each in found}
    seen: set[tuple[str, str]] = set()
    due = [each for requirement in requirements for each in _named(requirement, "")]
    while due:
        name, extra = due.pop()
        if (name, extra) not in seen and name in by_name:
            due += _required_by(by_name[name], extra)
        seen.add((name, extra))
    return {name for name, _ in seen}


def _required_by(distribution: Distribution, extra: str) -> Iterator[tuple[str, str]]:
    for each in distribution.requirements:
        yield from _named(Requirement(each), extra)


def _named(requirement: Requirement, extra: str) -> Iterator[tuple[str, str]]:
    """What a requirement of an extra names, if it applies here: a distribution, by itself and with
    each extra."""
    if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
        for each in ("", *requirement.extras):
            yield canonicalize_name(requirement.name), each


def _extras(distribution: Distribution) -> set[str]:
    text = " ".join(distribution.requirements)
    return set(re.findall(r"""extra == ["']([^"']+)["']""", text))


def _licence(metadata: PackageMetadata) -> tuple[str, tuple[str, ...]]:
    """The expression, or else the names: of the field `License`, if it is a name, or of the
    classifiers."""
    expression, text = _first(metadata, "License-Expression"), _first(metadata, "License")
    if expression:
        return expression, ()
    line = text.partition("\n")[0].strip()  # some quote all of it
    named = SPELLINGS.get(line.lower(), line)
    classified = [each.split(" :: ") for each in metadata.get_all("Classifier") or ()]
    classifiers = tuple(
        SPELLINGS.get(parts[-1].lower(), parts[-1])
        for parts in classified
        if parts[0] == "License" and len(parts) > 1
    )
    for names in ((named,), classifiers):
        if len(names) == 1 and is_known(names[0]):
            return names[0], ()
    return "", classifiers or ((line[:80],) if line else ())


def _first(metadata: PackageMetadata, name: str) -> str:
    values: list[str] = metadata.get_all(name) or []
    return values[0].strip() if values else ""
