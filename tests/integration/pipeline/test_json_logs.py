"""`LOG_FORMAT=json`: each line of every Procfile process is an object, from its start to SIGTERM,
and lines about a job name its user."""

import json
import os
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url

from deploy.embedded.ports import free_port
from deploy.embedded.procfile import read_procfile, shell_command
from models.jobs import STAGES
from models.session import get_engine
from tests.conftest import wait_until

Until = Callable[..., None]
Lines = Mapping[str, list[dict[str, Any]]]

ROOT = Path(__file__).parents[3]
STOP_WITHIN_S = 30
REQUEST = "a-request-of-ours"
CANARY = "kanarienvogel"


@pytest.fixture(scope="module")
def deployed(environment: dict[str, str]) -> dict[str, str]:
    """Each process's environment; the database is new, without a schema."""
    name = f"logged_{secrets.token_hex(4)}"
    autocommit = get_engine().connect().execution_options(isolation_level="AUTOCOMMIT")
    with autocommit as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = make_url(environment["DATABASE_URL"]).set(database=name)
    return environment | {
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "REDIS_URL": environment["REDIS_URL"].removesuffix("/0") + "/6",
        "SHARED_SECRET": secrets.token_hex(32),
        "LOG_FORMAT": "json",
        "MAX_TOKENS": "20",
        "PORT": str(free_port()),
        "WEB_CONCURRENCY": "2",
        "WORKER_THREADS": " ",
        "CPU_WORKERS": "\t",
    }


@pytest.fixture(scope="module")
def lines(deployed: dict[str, str]) -> Iterator[Lines]:
    """The output of each process, from its start over a job to its end."""
    with tempfile.TemporaryDirectory() as folder:
        started = {}
        try:
            start(deployed, "release", Path(folder)).wait(60)
            for name in ("web", "worker", "cpu", "flower"):
                more = {"PORT": str(free_port())} if name == "flower" else {}
                started[name] = start(deployed | more, name, Path(folder))
            answer(deployed)
            wait_until(lambda: (Path(folder) / "web").read_text().count("Started server") == 2)
        finally:
            for process in started.values():
                os.killpg(process.pid, signal.SIGTERM)
            for process in started.values():
                process.wait(STOP_WITHIN_S)
        yield {path.name: parsed(path) for path in Path(folder).iterdir()}


def start(deployed: dict[str, str], name: str, folder: Path) -> "subprocess.Popen[bytes]":
    command = shell_command(read_procfile(ROOT / "Procfile")[name])
    with (folder / name).open("wb") as file:
        return subprocess.Popen(
            command, cwd=ROOT, env=deployed, stdout=file, stderr=file, start_new_session=True
        )


def answer(deployed: Mapping[str, str]) -> None:
    """Run a job that passes through both workers."""
    headers = {"Authorization": f"Bearer {deployed['SHARED_SECRET']}", "X-Trimind-User": "somebody"}
    transport = httpx.HTTPTransport(retries=20)  # until it listens
    with httpx.Client(
        base_url=f"http://127.0.0.1:{deployed['PORT']}",
        headers=headers | {"X-Request-Id": REQUEST},
        transport=transport,
        timeout=120,
    ) as client:
        body = {"message": f"The river runs to the {CANARY}. " * 30}
        job = client.post("/v1/jobs", json=body).json()
        events = client.get(f"/v1/jobs/{job['id']}/events")
        assert "job.completed" in events.text


def parsed(path: Path) -> list[dict[str, Any]]:
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            pytest.fail(f"{path.name}: {line!r}")
    return found


def test_each_line_of_each_process_is_an_object_that_names_it(lines: Lines) -> None:
    assert {"release", "web", "worker", "cpu", "flower"} == set(lines)
    for name, each in lines.items():
        assert each, name
        for line in each:
            assert {"event", "level", "timestamp", "pid"} <= line.keys()
            assert line["process"] == name
    assert len({line["pid"] for line in lines["web"]}) == 3


def test_each_line_of_a_worker_says_whose_work_it_is(lines: Lines) -> None:
    both = [*lines["worker"], *lines["cpu"]]
    assert [line for line in both if not {"request_id", "user_id"} <= line.keys()] == []
    of_job = [line for line in both if "job_id" in line]
    stages = {line.get("stage") for line in of_job} - {None}
    assert stages == {"intent", "compress", "generate", "persist"}
    [user] = {line["user_id"] for line in of_job}
    assert user.startswith("user_")
    assert {line["request_id"] for line in of_job} == {REQUEST}
    assert {line["epoch"] for line in of_job} == {1}
    [accepted] = [line for line in lines["web"] if line["event"] == "job accepted"]
    for name in ("job_id", "conversation_id", "request_id", "user_id"):
        assert {line[name] for line in of_job} == {accepted[name]}
    began = [line["stage"] for line in of_job if line["event"] == "stage started"]
    ended = [line["stage"] for line in of_job if line["event"] == "stage finished"]
    assert sorted(began) == sorted(ended) == sorted(STAGES)


def test_a_pool_whose_size_is_blank_has_the_usual_one(lines: Lines) -> None:
    sizes = {
        name: [line["pool_size"] for line in lines[name] if "pool_size" in line]
        for name in ("worker", "cpu")
    }
    assert sizes == {"worker": [256], "cpu": [1]}


def test_no_secret_is_in_any_line(lines: Lines, deployed: dict[str, str]) -> None:
    password = make_url(deployed["REDIS_URL"]).password
    for secret in (
        password,
        deployed["SHARED_SECRET"],
        deployed["FLOWER_BASIC_AUTH"].partition(":")[2],
    ):
        assert secret
        assert [line for each in lines.values() for line in each if secret in str(line)] == []


def test_no_word_of_a_message_is_in_any_line(lines: Lines) -> None:
    assert [line for each in lines.values() for line in each if CANARY in str(line)] == []


def test_the_goodbyes_are_objects_too(lines: Lines) -> None:
    said = {name: [line["event"] for line in each] for name, each in lines.items()}
    assert "worker: Warm shutdown (MainProcess)" in said["worker"]
    assert "worker: Cold shutdown (MainProcess)" in said["cpu"]
    assert "Finished server process" in " ".join(said["web"])
    assert "shutting down" in said["flower"][-1]
    assert said["release"][-1].startswith("The schema is at version ")
