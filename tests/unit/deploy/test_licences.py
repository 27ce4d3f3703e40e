"""Only allowed licences are installed; what metadata says is read in each of its ways."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.supply_chain.__main__ import main
from deploy.supply_chain.installed import installed
from deploy.supply_chain.licences import EXCEPTIONS, refused

from .distributions import install

OSI = "Classifier: License :: OSI Approved ::"


def test_the_licence_of_each_installed_distribution_is_allowed() -> None:
    found = installed()
    assert {"trimind", "flask", "celery"} <= {each.name for each in found}
    wrong = {each.name: refused(each.name, each.licence, each.licences) for each in found}
    assert {name: names for name, names in wrong.items() if names} == {}


@pytest.mark.parametrize(
    ("lines", "licence", "licences"),
    [
        (["License-Expression: MIT AND PSF-2.0", "License: whatever"], "MIT AND PSF-2.0", ()),
        (["License: Apache License, Version 2.0"], "Apache-2.0", ()),
        (["License: MIT OR Apache-2.0", f"{OSI} MIT License"], "MIT OR Apache-2.0", ()),
        (["License: UNKNOWN", f"{OSI} ISC License (ISCL)"], "ISC", ()),
        ([f"{OSI} BSD License"], "", ("BSD",)),
        (
            ["License: Dual License", f"{OSI} BSD License", f"{OSI} Apache Software License"],
            "",
            ("BSD", "Apache-2.0"),
        ),
        (
            ["License: Copyright 2023 Somebody", "        Permission is granted"],
            "",
            ("Copyright 2023 Somebody",),
        ),
        ([], "", ()),
    ],
)
def test_a_licence_is_read(
    tmp_path: Path, lines: list[str], licence: str, licences: tuple[str, ...]
) -> None:
    install(tmp_path, "Some_Thing", *lines)
    [found] = installed([str(tmp_path)])
    assert (found.name, found.licence, found.licences) == ("some-thing", licence, licences)


@pytest.mark.parametrize(
    ("licence", "licences", "names"),
    [
        ("GPL-3.0-or-later", (), ["GPL-3.0-or-later"]),
        ("MIT AND (AGPL-3.0-only OR BSD-3-Clause)", (), ["AGPL-3.0-only"]),
        (
            "GPL-2.0-only WITH Some-exception",
            (),
            ["GPL-2.0-only WITH Some-exception"],
        ),
        ("", ("BSD", "Other/Proprietary License"), ["Other/Proprietary License"]),
        ("", (), ["none that it names"]),
        ("Apache-2.0 WITH LLVM-exception AND MIT", (), []),
    ],
)
def test_what_is_not_allowed_is_named(
    licence: str, licences: tuple[str, ...], names: list[str]
) -> None:
    assert refused("some-thing", licence, licences) == names


def test_an_exception_holds_for_its_distribution_alone() -> None:
    assert refused("psycopg", "LGPL-3.0-only", ()) == []
    assert refused("nvidia-cublas-cu13", "", ("Other/Proprietary License",)) == []
    assert refused("psycopg2", "LGPL-3.0-only", ()) == ["LGPL-3.0-only"]
    assert all(": " in reason for reason in EXCEPTIONS.values())


def test_the_first_of_two_distributions_of_one_name_is_the_one_that_counts(tmp_path: Path) -> None:
    for folder, licence in (("a", "MIT"), ("b", "ISC")):
        (tmp_path / folder).mkdir()
        install(tmp_path / folder, "thing", f"License-Expression: {licence}")
    [found] = installed([str(tmp_path / "a"), str(tmp_path / "b")])
    assert found.licence == "MIT"


def test_the_command_names_its_parts() -> None:
    shown = CliRunner().invoke(main, ["--help"])
    assert shown.exit_code == 0
    assert {"check", "sbom"} <= set(shown.output.split())
