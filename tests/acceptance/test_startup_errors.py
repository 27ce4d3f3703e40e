"""A process of the Procfile that lacks something names it and exits, as does `trimind up`."""

import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from app.cli.local.services import ROOT
from config.minds import BUILT_IN
from deploy.embedded.procfile import read_procfile, shell_command

from .conftest import TRIMIND, Stack, bare_environment

WITHIN_S = 120
LINES = read_procfile(ROOT / "Procfile")
# Valid, but no server is there: a process that accepts its settings would not name one.
SET = {
    "DATABASE_URL": "postgresql://127.0.0.1:9/nothing",
    "REDIS_URL": "redis://127.0.0.1:9",
    "SHARED_SECRET": "x" * 40,
    "FLOWER_BASIC_AUTH": "operator:a-long-password",
    "EMBEDDED_MODEL_URL": "http://127.0.0.1:9",
}


def ends(
    changes: Mapping[str, str], lines: Mapping[str, str] = LINES
) -> dict[str, tuple[int, str]]:
    """Run these lines in parallel; their exit codes and output. An empty variable means unset."""
    environ = bare_environment(**{**SET, **changes})
    environ["PATH"] = f"{Path(TRIMIND).parent}:{environ['PATH']}"
    started = {
        name: subprocess.Popen(
            shell_command(command),
            env=environ,
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for name, command in lines.items()
    }
    try:
        return {
            name: (process.returncode or 0, output)
            for name, process in started.items()
            for output in [process.communicate(timeout=WITHIN_S)[0]]
        }
    finally:
        for process in started.values():
            process.kill()


def assert_named(found: Mapping[str, tuple[int, str]], *words: str) -> None:
    assert found
    for name, (code, output) in found.items():
        assert code != 0, f"{name} went on"
        assert "Traceback" not in output, f"{name}: {output}"
        assert len(output.splitlines()) <= 7, f"{name}: {output}"
        for word in words:
            assert word in output, f"{name}: {output}"


def test_unset_variables_end_every_process_by_their_names() -> None:
    names = ("DATABASE_URL", "REDIS_URL", "SHARED_SECRET")
    told = [f"{name}: is missing; set {name}=" for name in names]
    assert_named(ends(dict.fromkeys(names, "")), *told)


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL", "SHARED_SECRET"])
def test_one_unset_variable_is_enough_to_end_a_release(variable: str) -> None:
    found = ends({variable: ""}, {"release": LINES["release"]})
    assert_named(found, f"{variable}: is missing; set {variable}=")


def test_broken_variables_end_every_process_by_their_names() -> None:
    broken = {
        "DATABASE_URL": "mysql://127.0.0.1/x",
        "REDIS_URL": "127.0.0.1:6379",
        "BROKER_URL": "sqs://x",
        "SHARED_SECRET": "tiny-word",
        "PORT": "http",
    }
    found = ends(broken)
    assert_named(found, *(f"{name}: " for name in broken))
    assert [name for name, (_, output) in found.items() if "tiny-word" in output] == []


def test_an_unknown_route_ends_every_process_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "minds.toml"
    file.write_text(BUILT_IN.read_text().replace('default = "quick"', 'default = "nowhere"'))
    assert_named(ends({"MINDS_FILE": str(file)}), "MINDS_FILE", "unknown route 'nowhere'", "quick")


@pytest.mark.parametrize(
    ("variable", "value", "process"),
    [
        ("FLOWER_PORT", "abc", "flower"),
        ("FLOWER_MAX_TASKS", "many", "flower"),
        ("FLOWER_DEBUG", "perhaps", "flower"),
        ("FLOWER_FORMAT_TASK", "a.b", "flower"),
        ("FLOWER_TASK_RUNTIME_METRIC_BUCKETS", "1,two", "flower"),
        ("WORKER_THREADS", "abc", "worker"),
        ("WORKER_THREADS", "0", "worker"),
        ("CPU_WORKERS", "-1", "cpu"),
        ("CPU_WORKERS", "1.5", "cpu"),
        ("WEB_CONCURRENCY", "two", "web"),
    ],
)
def test_a_number_that_is_none_ends_the_process_that_reads_it_by_its_name(
    variable: str, value: str, process: str
) -> None:
    found = ends({variable: value}, {process: LINES[process]})
    assert_named(found, f"{variable}: ")
    assert len(found[process][1].splitlines()) == 2


def test_no_model_at_all_ends_those_who_need_one() -> None:
    needing = {name: LINES[name] for name in ("web", "worker", "cpu")}
    assert_named(ends({"EMBEDDED_MODEL_URL": ""}, needing), "OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "is missing"),
        ("operator:short", "is not user:password"),
        ("no-colon-at-all", "is not user:password"),
    ],
)
def test_flower_without_a_good_password_does_not_start(value: str, problem: str) -> None:
    found = ends({"FLOWER_BASIC_AUTH": value}, {"flower": LINES["flower"]})
    assert_named(found, f"FLOWER_BASIC_AUTH: {problem}")


def test_a_release_without_its_database_says_which() -> None:
    found = ends({"DATABASE_URL": "postgresql://me:hidden@127.0.0.1:9/x"}, {"r": LINES["release"]})
    assert_named(found, "DATABASE_URL", "127.0.0.1:9", "refused")
    assert "hidden" not in found["r"][1]


def test_up_on_a_taken_port_says_what_to_write(
    trimind: Callable[..., CompletedProcess[str]], new_stack: Callable[[], Stack]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = trimind("up", PORT=str(port), TRIMIND_HOME=str(new_stack().home))
    assert ended.returncode == 1
    assert f"PORT={port} is in use" in ended.stderr
    assert "put PORT=" in ended.stderr


def test_up_on_a_data_folder_in_use_says_by_whom(stack: Stack) -> None:
    ended = stack.trimind("up")
    assert ended.returncode == 1
    assert f"TRIMIND_HOME={stack.home}" in ended.stderr
    assert str(stack.process.pid) in ended.stderr


def test_up_with_a_wrong_setting_starts_nothing(
    trimind: Callable[..., CompletedProcess[str]], new_stack: Callable[[], Stack]
) -> None:
    ended = trimind("up", SHARED_SECRET="short", TRIMIND_HOME=str(new_stack().home))
    assert ended.returncode == 1
    assert "SHARED_SECRET: is shorter" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("kilobytes", [0, 1, 4096])
def test_up_where_files_can_not_grow_says_what_to_do_in_one_line(
    kilobytes: int, new_stack: Callable[[], Stack]
) -> None:
    # Simulates a full disk: no file of the process may grow beyond this.
    limited = ["bash", "-c", f'ulimit -f {kilobytes}; exec "$0" up', TRIMIND]
    environ = bare_environment(TRIMIND_HOME=str(new_stack().home), OPENAI_API_KEY="sk-nobody")
    # Python 3.11 keeps a module of which only a part could be written, and can't import it again.
    environ["PYTHONDONTWRITEBYTECODE"] = "1"
    ended = subprocess.run(
        limited, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S
    )
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert "free space on the disk of TRIMIND_HOME" in line


PASSWORD = "canary-p@ss/canary-w#rd%canary"
ODD_URLS = {
    "DATABASE_URL": f"postgresql://me:{PASSWORD}@127.0.0.1:9/x",
    "REDIS_URL": f"redis://me:{PASSWORD}@127.0.0.1:9/0",
    "BROKER_URL": f"amqp://me:{PASSWORD}@127.0.0.1:9//",
}


def test_passwords_that_are_not_percent_encoded_are_reported_but_never_shown() -> None:
    found = ends(ODD_URLS)
    assert_named(found, *(f"{name}: can't be read: a password with one of" for name in ODD_URLS))
    assert [name for name, (_, output) in found.items() if "canary" in output] == []


@pytest.mark.parametrize("command", ["up", "doctor", "breakers", "key list"])
def test_no_command_tells_a_password_that_is_not_percent_encoded(
    trimind: Callable[..., CompletedProcess[str]], tmp_path: Path, command: str
) -> None:
    home = {"TRIMIND_HOME": str(tmp_path / "home")}
    ended = trimind(*command.split(), **(SET | ODD_URLS | home))
    assert ended.returncode == 1
    assert "canary" not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    for name in ODD_URLS:
        assert name in ended.stdout + ended.stderr


PROXIES = [
    f"HTTP_PROXY=http://me:{PASSWORD}@127.0.0.1:9",
    "http_proxy=http://me:1/canary@127.0.0.1:9",
    "ALL_PROXY=socks4://me:canary@127.0.0.1:9",
    "all_proxy=ftp://me:canary@127.0.0.1:9",
    "http_proxy=http://[::1",
    "NO_PROXY=localhost,fd07:b51a:cc66:f0::/64",
    "NO_PROXY=[::1]",
]


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_that_can_not_be_read_is_named_by_the_commands_that_call_out(
    trimind: Callable[..., CompletedProcess[str]], tmp_path: Path, proxy: str
) -> None:
    name, _, value = proxy.partition("=")
    there = {"TRIMIND_URL": "http://trimind.invalid", "TRIMIND_API_KEY": "tm_canary"}
    ended = trimind("ask", "Hello!", TRIMIND_HOME=str(tmp_path), **there, **{name: value})
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert name in line
    assert "canary" not in line


@pytest.mark.parametrize(
    "proxy", ["HTTP_PROXY=127.0.0.1:9", "ALL_PROXY=socks5://me:canary@127.0.0.1:9", "NO_PROXY=*"]
)
def test_the_usual_forms_of_proxies_are_taken(
    trimind: Callable[..., CompletedProcess[str]], tmp_path: Path, proxy: str
) -> None:
    name, _, value = proxy.partition("=")
    there = {"TRIMIND_URL": "http://trimind.invalid", "TRIMIND_API_KEY": "tm_canary"}
    ended = trimind("ask", "Hello!", TRIMIND_HOME=str(tmp_path), **there, **{name: value})
    assert "http://trimind.invalid does not answer" in ended.stderr
    assert "canary" not in ended.stderr
