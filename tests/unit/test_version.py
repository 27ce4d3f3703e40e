"""One version: the installation's, the command's, the document's, the client's, the changelog's."""

import re
import tomllib
from configparser import ConfigParser
from importlib.metadata import version
from pathlib import Path

from click.testing import CliRunner

from app.apidoc.openapi import openapi_arguments
from app.cli import main

ROOT = Path(__file__).parents[2]


def declared() -> str:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config["metadata"]["version"]


def test_what_is_installed_is_the_version_that_setup_cfg_declares() -> None:
    assert version("trimind") == declared()


def test_the_command_shows_it() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"trimind {declared()}\n"


def test_the_client_has_the_same() -> None:
    client = tomllib.loads((ROOT / "trimind" / "pyproject.toml").read_text())
    assert client["project"]["version"] == declared()


def test_the_document_has_it() -> None:
    assert openapi_arguments()["info"].version == declared()


def test_the_changelog_has_its_notes() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## (\S+) - \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    assert releases[0] == declared()
