"""The OpenAPI document passes other linters' default rules."""

import json
from pathlib import Path

import pytest

from ...npm import Packages


@pytest.fixture
def document(client, tmp_path) -> Path:
    written = tmp_path / "openapi.json"
    written.write_text(json.dumps(client.get("/openapi.json").json, indent=1))
    return written


def test_spectral_finds_nothing(document: Path, npm_packages: Packages) -> None:
    rules = document.with_name("rules.yaml")
    rules.write_text('extends: ["spectral:oas"]\n')
    options = ("--ruleset", str(rules), "--fail-severity", "hint", "--format", "text")
    linted = npm_packages.run("spectral", "lint", str(document), *options)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "No results" in linted.stdout


def test_redocly_finds_nothing(document: Path, npm_packages: Packages) -> None:
    options = ("--format", "json", "--max-problems", "50")
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    linted = npm_packages.run("redocly", "lint", str(document), *options, cwd=None, **quiet)
    found = json.loads(linted.stdout)
    assert found["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}, found["problems"]
