"""The bill of materials has all that is installed, and what requires what."""

import json
import re
from importlib.metadata import version
from pathlib import Path

from click.testing import CliRunner

from deploy.supply_chain.__main__ import main
from deploy.supply_chain.installed import dependencies, installed

from .distributions import install


def test_it_lists_what_is_installed_by_version_licence_and_address(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["sbom", str(tmp_path / "sbom.json")])
    assert done.exit_code == 0, done.output
    bill = json.loads((tmp_path / "sbom.json").read_text())

    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    assert bill["metadata"]["component"]["name"] == "trimind"
    parts = {each["name"]: each for each in bill["components"]}
    assert parts["flask"] == {
        "type": "library",
        "bom-ref": f"pkg:pypi/flask@{version('flask')}",
        "name": "flask",
        "version": version("flask"),
        "purl": f"pkg:pypi/flask@{version('flask')}",
        "licenses": [{"expression": "BSD-3-Clause"}],
    }
    assert all(each.get("licenses") for each in parts.values())
    refs = [bill["metadata"]["component"]["bom-ref"], *(each["bom-ref"] for each in parts.values())]
    assert len(refs) == len(set(refs))
    assert {each["ref"] for each in bill["dependencies"]} == set(refs)
    edges = {each["ref"]: each["dependsOn"] for each in bill["dependencies"]}
    assert {other for each in edges.values() for other in each} <= set(refs)
    assert parts["werkzeug"]["purl"] in edges[parts["flask"]["purl"]]
    # By our extra `test`, and by the extra of a requirement.
    assert parts["pytest"]["purl"] in edges[bill["metadata"]["component"]["bom-ref"]]
    assert parts["socksio"]["purl"] in edges[parts["httpx"]["purl"]]


def test_what_only_an_extra_requires_that_nobody_asked_for_is_no_dependency(tmp_path: Path) -> None:
    install(tmp_path, "trimind", 'Requires-Dist: a[x]; extra == "worker"')
    install(
        tmp_path,
        "a",
        'Requires-Dist: b; extra == "x"',
        'Requires-Dist: c; extra == "y"',
        'Requires-Dist: d; python_version < "3"',
        "Requires-Dist: not-installed",
    )
    for name in "bcd":
        install(tmp_path, name)
    edges = dependencies(installed([str(tmp_path)]))
    assert edges == {"a": {"b"}, "b": set(), "c": set(), "d": set(), "trimind": {"a"}}


def test_a_local_build_has_the_address_of_its_public_version(tmp_path: Path) -> None:
    install(tmp_path, "torch", version="2.13.0+cpu")
    [found] = installed([str(tmp_path)])
    assert (found.version, found.purl) == ("2.13.0+cpu", "pkg:pypi/torch@2.13.0")
