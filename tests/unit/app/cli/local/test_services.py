"""The Procfile's processes as services."""

import os

from app.cli.local.services import MOST_WORKER_PROCESSES, ROOT, Addresses, application
from deploy.embedded.procfile import read_procfile, shell_command
from deploy.embedded.service import Service

ADDRESSES = Addresses("127.0.0.1:8000", 8000, 5555)
EMBEDDED = ("postgres", "redis", "model")


def services(*backends: str, **more: str) -> dict[str, Service]:
    environ = {"FLOWER_BASIC_AUTH": "operator:password", "PATH": "/bin", **more}
    return {one.name: one for one in application(environ, ADDRESSES, backends)}


def test_each_line_of_the_procfile_is_run_as_it_stands() -> None:
    lines = read_procfile(ROOT / "Procfile")
    assert {name: one.arguments() for name, one in services().items()} == {
        name: shell_command(command) for name, command in lines.items()
    }


def test_the_release_runs_before_processes_that_need_the_schema() -> None:
    found = services(*EMBEDDED)
    assert found["release"].once
    assert found["release"].needs == ("postgres",)
    for name in ("web", "worker", "cpu"):
        assert {"release", "postgres", "redis"} <= set(found[name].needs)
    assert "model" in found["worker"].needs


def test_what_is_not_started_here_is_not_waited_for() -> None:
    found = services("redis")
    assert found["release"].needs == ()
    assert set(found["worker"].needs) == {"release", "redis"}


def test_each_process_listens_where_port_says() -> None:
    found = services()
    assert found["web"].environ["BIND"] == "127.0.0.1:8000"
    assert found["web"].environ["PORT"] == "8000"
    assert found["flower"].environ["PORT"] == "5555"
    assert found["flower"].environ["FLOWER_ADDRESS"] == "127.0.0.1"


def test_a_worker_has_a_process_for_each_core() -> None:
    cores = min(len(os.sched_getaffinity(0)), MOST_WORKER_PROCESSES)
    assert services("redis")["worker"].environ["WORKER_PROCESSES"] == str(cores)


def test_the_embedded_model_leaves_no_core_for_a_second_process() -> None:
    assert services(*EMBEDDED)["worker"].environ["WORKER_PROCESSES"] == "1"


def test_the_number_of_worker_processes_can_be_chosen() -> None:
    found = services(*EMBEDDED, WORKER_PROCESSES="3")
    assert found["worker"].environ["WORKER_PROCESSES"] == "3"


def test_the_environments_own_path_comes_after_this_interpreters() -> None:
    assert services()["web"].environ["PATH"].endswith(":/bin")
