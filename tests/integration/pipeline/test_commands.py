"""`python -m tasks`: Celery's commands, as the Procfile starts them."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.embedded.procfile import read_procfile, shell_command
from tests.fresh_python import FreshPython

Until = Callable[..., None]

ROOT = Path(__file__).parents[3]
STOP_WITHIN_S = 30
# Shows a command's options, and which of these modules it has imported.
IMPORTED = """
import sys
from tasks.worker.commands import run_command
try:
    run_command([sys.argv[1], "--help"])
finally:
    print("imported:", *{"celery.bin.worker", "flower", "prompt_toolkit"}.intersection(sys.modules))
"""


@pytest.mark.parametrize(
    ("name", "option", "module"),
    [("worker", "--without-gossip", "celery.bin.worker"), ("flower", "TORNADO_ARGV", "flower")],
)
def test_a_command_imports_no_other(
    fresh_python: FreshPython, backends: dict[str, str], name: str, option: str, module: str
) -> None:
    script = IMPORTED.replace("sys.argv[1]", repr(name))

    shown = fresh_python(script, env=backends, check=True).stdout

    assert option in shown
    assert shown.splitlines()[-1] == f"imported: {module}"


def test_an_unknown_command_is_refused(fresh_python: FreshPython, backends: dict[str, str]) -> None:
    done = fresh_python(IMPORTED.replace("sys.argv[1]", "'shell'"), env=backends)

    assert done.returncode == 2
    assert "No such command 'shell'" in done.stderr


def test_sighup_starts_a_worker_again_in_the_same_process(
    environment: dict[str, str], tmp_path: Path, until: Until
) -> None:
    line = read_procfile(ROOT / "Procfile")["cpu"]
    # Of a queue of its own, to which nothing is sent.
    command = line.replace("--queues cpu", "--queues again").replace("cpu@%h", "again@%h")
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            shell_command(command), cwd=ROOT, env=environment, stdout=file, stderr=file
        )
    try:
        until(lambda: log.read_text().count(" ready.") == 1, 60)
        os.kill(process.pid, signal.SIGHUP)
        until(lambda: log.read_text().count(" ready.") == 2, 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_WITHIN_S) == 0
    finally:
        process.kill()
        process.wait()
