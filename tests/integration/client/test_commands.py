"""`trimind ask` and `trimind job` while their connection breaks, and when the user stops them."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import httpx
import pytest

from app.cli.client.spinner import FRAMES
from trimind import Client

from ...chaos.proxy import Proxy
from ...chaos.stack import Stack

ROOT = Path(__file__).resolve().parents[3]
QUESTION = "Please consider the river and answer."

Until = Callable[..., None]


class Command:
    """A `trimind` command that runs; what it has printed so far."""

    def __init__(self, environ: Mapping[str, str], *arguments: str, stderr: int | IO[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", *arguments],
            env=dict(environ),
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )

    def first_piece(self) -> str:
        """The first character of the answer, once it comes."""
        assert self.process.stdout is not None
        return os.read(self.process.stdout.fileno(), 1).decode()

    def end(self, given: str | None = None) -> tuple[int, str, str]:
        """Its exit code, and the rest of what it printed."""
        stdout, stderr = self.process.communicate(given, timeout=60)
        return self.process.returncode, stdout, stderr or ""


Run = Callable[..., Command]


@pytest.fixture
def run(stack: Stack, tmp_path: Path) -> Iterator[Run]:
    """`run(*arguments, url, stderr)`: start a command that calls the stack."""
    with ExitStack() as running:

        def start(
            *arguments: str, url: str = stack.web, stderr: int = subprocess.PIPE, **more: str
        ) -> Command:
            environ = {
                "PATH": os.environ["PATH"],
                "TRIMIND_HOME": str(tmp_path),
                "TRIMIND_URL": url,
                "TRIMIND_API_KEY": stack.key,
                "PYTHONUNBUFFERED": "1",
                **more,
            }
            command = Command(environ, *arguments, stderr=stderr)
            running.callback(command.process.wait)
            running.callback(command.process.kill)
            return command

        yield start


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.web, stack.key) as made:
        yield made


def job_of(stderr: str) -> str:
    """The id of the job, which is the first word that `ask` prints."""
    return stderr.split()[0]


def bearer(stack: Stack) -> dict[str, str]:
    return {"Authorization": f"Bearer {stack.key}"}


@pytest.mark.usefixtures("slowly")
def test_an_answer_whose_connection_breaks_is_printed_whole_and_once(
    run: Run, client: Client, proxy: Proxy
) -> None:
    asked = run("ask", QUESTION, url=f"http://127.0.0.1:{proxy.port}")
    printed = asked.first_piece()
    proxy.reset()
    code, rest, stderr = asked.end()

    answer = client.job(job_of(stderr))["output"]
    assert (code, printed + rest) == (0, f"{answer}\n")
    assert "begins again" not in stderr


@pytest.mark.usefixtures("slowly")
def test_a_stop_says_that_the_job_goes_on_and_how_to_follow_it(run: Run, client: Client) -> None:
    asked = run("ask", QUESTION)
    printed = asked.first_piece()
    asked.process.send_signal(signal.SIGINT)
    code, rest, stderr = asked.end()

    job_id = job_of(stderr)
    assert code == 130
    assert "The job goes on." in stderr
    assert f"trimind job follow {job_id}" in stderr
    assert f"trimind job cancel {job_id}" in stderr
    assert "Traceback" not in stderr
    code, whole, _ = run("job", "follow", job_id).end()
    assert code == 0
    assert whole == f"{client.job(job_id)['output']}\n"
    assert whole.startswith((printed + rest).rstrip("\n"))


def test_standard_input_stands_where_the_message_says(
    run: Run, client: Client, stack: Stack
) -> None:
    code, _, stderr = run("ask", "Summarize:", "-", "--mind", "two").end("Rivers flow to the sea.")
    job = client.job(job_of(stderr))
    assert (code, job["mind"]) == (0, "two")
    prompt = httpx.get(f"{stack.web}/v1/jobs/{job['id']}/prompt", headers=bearer(stack))
    assert prompt.json()["original"] == "Summarize:\n\nRivers flow to the sea."


def test_off_a_terminal_everything_is_plain_text(run: Run) -> None:
    code, stdout, stderr = run("ask", QUESTION).end()
    assert code == 0
    assert "\x1b" not in stdout + stderr
    assert "\r" not in stdout + stderr


def test_on_a_terminal_there_are_colours_and_a_spinner_and_the_answer_stays_plain(
    run: Run, stack: Stack
) -> None:
    stack.set_faults(latency_s=[4.0, 4.0])  # the first word after a second
    ours, theirs = pty.openpty()
    asked = run("ask", QUESTION, stderr=theirs, TERM="xterm")
    os.close(theirs)
    code, stdout, _ = asked.end()
    shown = read_all(ours)
    assert code == 0
    assert "\x1b" not in stdout
    assert "\x1b[2m" in shown  # dimmed
    assert any(frame in shown for frame in FRAMES)
    assert "receipt:" in shown


def read_all(terminal: int) -> str:
    """What was written to a terminal whose other end is closed."""
    read = b""
    try:
        while piece := os.read(terminal, 65_536):
            read += piece
    except OSError:  # Linux reports the closed end as an error
        pass
    os.close(terminal)
    return read.decode()


def test_jobs_are_listed_shown_cancelled_and_retried(
    run: Run, client: Client, stack: Stack
) -> None:
    stack.set_faults(latency_s=[4.0, 4.0], words=40)
    job_id = client.submit(QUESTION)["id"]
    assert job_id in run("job", "list", "--limit", "5").end()[1]
    assert run("job", "cancel", job_id).end()[1] == f"{job_id} is cancelled.\n"
    code, shown, _ = run("job", "show", job_id).end()
    assert (code, shown.split()[:2]) == (0, [job_id, "cancelled"])
    stack.set_faults()
    code, answer, stderr = run("job", "retry", job_id).end()
    assert (code, answer) == (0, f"{client.job(job_of(stderr))['output']}\n")
