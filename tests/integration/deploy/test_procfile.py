import subprocess
from pathlib import Path

import pytest

from app.cli.local.services import ROOT
from deploy.embedded.errors import ProcfileError
from deploy.embedded.procfile import parse_procfile, read_procfile, shell_command, without_exec


def test_processes_come_in_the_order_of_the_file() -> None:
    text = "# the stack\nweb: gunicorn 'app:create_app()'\n\nworker-llm:celery -A tasks worker\n"

    assert list(parse_procfile(text).items()) == [
        ("web", "gunicorn 'app:create_app()'"),
        ("worker-llm", "celery -A tasks worker"),
    ]


@pytest.mark.parametrize("rubbish", ["no colon here", "web:", "a b: c", ": command"])
def test_rubbish_is_refused_with_its_line(rubbish: str) -> None:
    with pytest.raises(ProcfileError, match="Procfile, line 2"):
        parse_procfile(f"web: sleep 1\n{rubbish}\n")


def test_a_name_that_comes_twice_is_refused_with_its_line() -> None:
    with pytest.raises(ProcfileError, match="line 3: web is repeated"):
        parse_procfile("web: a\nflower: b\nweb: c\n")


def test_a_file_without_processes_is_refused() -> None:
    with pytest.raises(ProcfileError, match="no process"):
        parse_procfile("# nothing\n")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProcfileError, match="Procfile: No such file"):
        read_procfile(tmp_path / "Procfile")


def test_the_shell_expands_variables_and_gives_way_to_the_command() -> None:
    command = shell_command("GREETING=hello sh -c 'echo $GREETING ${PORT:-8000} $PPID'")

    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)

    # Our own id as the parent: there is no shell in between.
    assert done.stdout.split()[:2] == ["hello", "8000"]
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert command[2].startswith("exec env ")


@pytest.mark.parametrize("said", ["exec ", " exec\t", ""])
def test_a_line_may_say_exec_itself(said: str) -> None:
    line = f"{said}GREETING=hello sh -c 'echo $GREETING'"

    done = subprocess.run(shell_command(line), capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("hello\n", "")


@pytest.mark.parametrize(
    ("line", "left"),
    [("exec a b", "a b"), ("executor a", "executor a"), ("a exec b", "a exec b")],
)
def test_only_the_shells_own_exec_is_left_out(line: str, left: str) -> None:
    assert without_exec(line) == left


@pytest.mark.parametrize(("name", "line"), read_procfile(ROOT / "Procfile").items())
@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_each_line_of_ours_replaces_whatever_shell_runs_it(
    tmp_path: Path, shell: str, name: str, line: str
) -> None:
    for program in ("celery", "python", "trimind"):  # each says which process it is
        file = tmp_path / program
        file.write_text("#!/bin/sh\necho $$\n")
        file.chmod(0o755)

    # A shell replaces itself with the last command of its script, so ours must not be the last.
    with subprocess.Popen(
        [shell, "-c", f"{line}\necho the shell stayed"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.communicate()[0] == f"{started.pid}\n", name


def test_a_compound_command_keeps_its_shell() -> None:
    done = subprocess.run(shell_command("echo one && echo two"), capture_output=True, text=True)

    assert done.stdout == "one\ntwo\n"


def test_a_command_with_an_open_quote_is_refused() -> None:
    with pytest.raises(ProcfileError, match="cannot read"):
        shell_command("echo 'one")
