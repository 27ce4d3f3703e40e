"""The files of each platform start the Procfile's commands, with variables that exist."""

import configparser
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.misspelled import BESIDE_SETTINGS
from config.settings import Settings
from deploy.embedded.procfile import read_procfile

ROOT = Path(__file__).resolve().parents[3]
LINES = read_procfile(ROOT / "Procfile")
VARIABLES = {field.upper() for field in Settings.model_fields} | BESIDE_SETTINGS
# Of other programs.
THEIRS = {"REMAP_SIGTERM", "PYTHON_VERSION", "PYTHONUNBUFFERED"}
# `python -m tasks flower` finds our settings by itself.
OURS = "--conf=config/flower.py"

Command = tuple[str, ...]


def said(words: list[str], environ: dict[str, Any] | None = None) -> Command:
    """A command, comparable: its variables first, by its program's name."""
    words = [word for word in words if word not in ("exec", "env", OURS)]
    variables = [f"{name}={value}" for name, value in (environ or {}).items() if name in THEIRS]
    variables += [word for word in words if re.match(r"[A-Z_]+=", word)]
    [program, *rest] = [word for word in words if word not in variables]
    remapped = [each for each in variables if each.startswith("REMAP_SIGTERM")]
    return (*remapped, Path(program).name, *rest)


PROCFILE = {name: said(shlex.split(line)) for name, line in LINES.items()}


def read_yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def render() -> Iterator[tuple[str, Command]]:
    for service in read_yaml("render.yaml")["services"]:
        if service["type"] != "keyvalue":
            name = service["name"].removeprefix("trimind-")
            yield name, said(shlex.split(service["startCommand"]))
            if "preDeployCommand" in service:
                yield "release", said(shlex.split(service["preDeployCommand"]))


def fly() -> Iterator[tuple[str, Command]]:
    config = tomllib.loads((ROOT / "fly.toml").read_text())
    yield "release", said(shlex.split(config["deploy"]["release_command"]))
    for name, line in config["processes"].items():
        yield name, said(shlex.split(line))


def images() -> dict[str, Command]:
    text = (ROOT / "deploy/docker/Dockerfile").read_text()
    stages = re.findall(r"^FROM \S+ AS (\w+)\n((?:(?!FROM ).*\n)*)", text, re.MULTILINE)
    found = {}
    for name, lines in stages:
        command = re.search(r"^CMD (\[.*\])$", lines, re.MULTILINE)
        environ = dict(re.findall(r"(REMAP_SIGTERM)=(\w+)", lines))
        if command:
            found[name] = said(json.loads(command[1]), environ)
    return found


def compose() -> Iterator[tuple[str, Command]]:
    for name, service in read_yaml("deploy/compose.yaml")["services"].items():
        if name in LINES:
            words, environ = service.get("command"), service.get("environment")
            target = service["build"]["target"]
            yield name, said(words, environ) if words else images()[target]


def units() -> Iterator[tuple[str, Command]]:
    for name in LINES:
        unit = (ROOT / f"deploy/systemd/trimind-{name}.service").read_text()
        [command] = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        environ = dict(re.findall(r"^Environment=(\w+)=(.*)$", unit, re.MULTILINE))
        yield name, said(shlex.split(command.replace("%%", "%")), environ)


@pytest.mark.parametrize("platform", [render, fly, compose, units])
def test_each_process_of_the_procfile_is_started_by_its_command(platform: Any) -> None:
    assert dict(platform()) == PROCFILE


def test_the_images_start_the_processes_that_they_are_named_for() -> None:
    assert images() == {name: PROCFILE[name] for name in ("web", "worker", "cpu")}


def test_heroku_is_told_variables_and_processes_that_exist() -> None:
    app = json.loads((ROOT / "app.json").read_text())
    assert set(app["env"]) <= VARIABLES
    assert set(app["formation"]) == {"web", "worker", "cpu"}
    assert app["env"]["SHARED_SECRET"]["generator"] == "secret"
    # All secrets are asked for or generated: the file is public.
    assert not [name for name, said in app["env"].items() if "KEY" in name and "value" in said]


def test_render_is_told_variables_and_services_that_exist() -> None:
    blueprint = read_yaml("render.yaml")
    services = {each["name"]: each for each in [*blueprint["services"], *blueprint["databases"]]}
    groups = {each["name"]: each["envVars"] for each in blueprint["envVarGroups"]}
    for service in blueprint["services"]:
        for each in service.get("envVars", ()):
            if "fromGroup" in each:
                assert each["fromGroup"] in groups
            else:
                assert each["key"] in VARIABLES
                source = each.get("fromDatabase") or each["fromService"]
                assert source["name"] in services
    assert {each["key"] for group in groups.values() for each in group} <= VARIABLES | THEIRS
    assert services["trimind-redis"]["maxmemoryPolicy"] == "noeviction"


def test_compose_is_told_variables_that_exist() -> None:
    services = read_yaml("deploy/compose.yaml")["services"]
    for name in LINES:
        assert set(services[name]["environment"]) <= VARIABLES | THEIRS
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]


def test_the_example_of_a_single_hosts_variables_has_those_that_exist() -> None:
    text = (ROOT / "deploy/systemd/trimind.env.example").read_text()
    names = re.findall(r"^(\w+)=", text, re.MULTILINE)
    assert set(names) <= VARIABLES
    assert {"DATABASE_URL", "REDIS_URL", "SHARED_SECRET"} <= set(names)


def test_each_unit_stops_as_patiently_as_its_process_needs() -> None:
    for name in ("web", "worker", "cpu", "flower"):
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str  # type: ignore[assignment]  # as its documentation says
        unit.read(ROOT / f"deploy/systemd/trimind-{name}.service")
        assert int(unit["Service"]["TimeoutStopSec"]) >= 30
        assert unit["Service"]["User"] == "trimind"
        assert unit["Unit"]["Requires"] == "trimind-release.service"


def test_render_installs_by_lists_with_hashes() -> None:
    services = read_yaml("render.yaml")["services"]
    for command in (each["buildCommand"] for each in services if "buildCommand" in each):
        hashed, ours = command.split(" && ")
        assert hashed.startswith("pip install --require-hashes --no-deps -r ")
        assert all((ROOT / name).is_file() for name in re.findall(r"-r (\S+)", hashed))
        assert ours == "pip install --no-deps --no-build-isolation ."
