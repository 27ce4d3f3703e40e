"""A process ends at its start, with one line, where no later attempt would help."""

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from sqlalchemy import make_url

from deploy.embedded.ports import free_port
from deploy.embedded.procfile import read_procfile, shell_command
from models.session import get_engine
from tests.integration.debian import unpacked

ROOT = Path(__file__).parents[3]
LINES = read_procfile(ROOT / "Procfile")
SERVING = ("web", "worker", "cpu")
WITHIN_S = 120


def refusals(backends: Mapping[str, str], names: Iterable[str], **changes: str) -> set[str]:
    """Start these processes; what each says after `trimind cannot start:`."""
    mine = {"FLOWER_BASIC_AUTH": "operator:a-long-password", "PORT": str(free_port())}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {**backends, **mine, "PATH": path, **changes}
    started = [
        subprocess.Popen(
            shell_command(LINES[name]), env=environ, cwd=ROOT, text=True, stderr=subprocess.PIPE
        )
        for name in names
    ]
    found = set()
    try:
        for process in started:
            error = process.communicate(timeout=WITHIN_S)[1]
            assert process.returncode == 78, error
            [head, line] = error.splitlines()
            assert head == "trimind cannot start:"
            found.add(line)
    finally:
        for process in started:
            process.kill()
    return found


def test_a_wrong_password_of_redis_ends_every_process(backends: Mapping[str, str]) -> None:
    address = backends["REDIS_URL"].partition("@")[2]
    found = refusals(
        backends, [*SERVING, "flower"], BROKER_URL=f"redis://:canary-password@{address}"
    )
    assert found == {"BROKER_URL: the server refuses the user or password; fix BROKER_URL"}


def test_a_database_without_the_schema_ends_those_who_use_it(backends: Mapping[str, str]) -> None:
    name = f"old_{secrets.token_hex(4)}"
    with get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = make_url(backends["DATABASE_URL"]).set(database=name)
    [line] = refusals(backends, SERVING, DATABASE_URL=url.render_as_string(hide_password=False))
    assert line.startswith("DATABASE_URL: the schema is at version none, and this release needs ")
    assert line.endswith("run `trimind db upgrade`")


def test_a_clock_that_is_an_hour_off_ends_those_who_use_the_database(
    backends: Mapping[str, str],
) -> None:
    files = unpacked("faketime", ("libfaketime",))
    [library] = files.glob("usr/lib/*/faketime/libfaketime.so.1")
    [line] = refusals(backends, SERVING, LD_PRELOAD=str(library), FAKETIME="+1h")
    assert "ahead of PostgreSQL's; synchronize them" in line


@pytest.mark.parametrize("name", ["web", "flower"])
def test_a_port_in_use_is_named(backends: Mapping[str, str], name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        [line] = refusals(backends, [name], PORT=str(port))
    assert line.startswith("PORT: can't listen on ")
    assert f":{port} (Address already in use); set PORT" in line


def test_why_an_address_can_not_be_bound_is_said(backends: Mapping[str, str]) -> None:
    [line] = refusals(backends, ["web"], BIND="192.0.2.1:8000")  # nobody's (RFC 5737)
    assert line.startswith("BIND: can't listen on 192.0.2.1:8000 (Cannot assign requested address)")
    [line] = refusals(backends, ["web"], BIND="unix:/no/such/folder/socket")
    assert line.startswith("BIND: can't listen on /no/such/folder/socket (No such file or")


@pytest.mark.parametrize("value", ["8000", "localhost", "localhost:http", "localhost:99999"])
def test_a_bind_that_is_no_address_is_named(backends: Mapping[str, str], value: str) -> None:
    assert refusals(backends, ["web"], BIND=value) == {
        f"BIND: is '{value}'; set BIND=<host>:<port>, or unix:/<path>"
    }
