"""The whole stack, started by its own command on a fresh data folder, and read from outside."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli.local.environ import KNOWN
from app.cli.local.services import ROOT
from deploy.embedded.ports import free_port
from deploy.embedded.sessions import Identity, Session
from trimind import Client

TRIMIND = str(Path(sys.executable).with_name("trimind"))
READY_WITHIN_S = 120
STOP_WITHIN_S = 30
SERVING = "demo key"


def bare_environment(**more: str) -> dict[str, str]:
    """This process's environment with nothing of Trimind's set but what is named."""
    ours = {name for name in os.environ if name in KNOWN or name.startswith("TRIMIND_")}
    return {name: value for name, value in os.environ.items() if name not in ours} | more


class Stack:
    """A `trimind up` of its own data folder and port."""

    def __init__(self, home: Path) -> None:
        self.home = home
        # Short answers: what is asked for here is that they come, not what they say.
        self.environ = bare_environment(
            TRIMIND_HOME=str(home), PORT=str(free_port()), MAX_TOKENS="64"
        )

    def start(self, *command: str) -> "Stack":
        """Start it; returns at once."""
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command or (TRIMIND, "up"),
            env=self.environ,
            cwd=ROOT,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def wait_for(self, text: str = SERVING, within_s: float = READY_WITHIN_S) -> str:
        """The first line with this text, once it is there."""
        deadline = time.monotonic() + within_s
        while True:
            if found := next((line for line in list(self.lines) if text in line), None):
                return found
            assert self.process.poll() is None, f"it ended:\n{self.output}"
            assert time.monotonic() < deadline, f"no {text!r} within {within_s} s:\n{self.output}"
            time.sleep(0.05)

    def wait_for_end(self) -> int:
        """Its exit code; it has to end within 30 s of the signal that the caller has sent."""
        code = self.process.wait(STOP_WITHIN_S)
        self._reader.join(STOP_WITHIN_S)
        return code

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environ['PORT']}"

    @property
    def key(self) -> str:
        """The demo user's, from the file that it has named."""
        self.wait_for(SERVING)
        return (self.home / "demo-key").read_text().strip()

    def family(self) -> set[Identity]:
        """Every process of it, and the helper that outlives it."""
        return Session(Identity.of(self.process.pid)).family()

    def trimind(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `trimind` beside it."""
        return run_trimind(*arguments, **(self.environ | environ))

    def client(self) -> Client:
        return Client(self.url, self.key)

    def answered(self, message: str, conversation_id: str | None = None) -> dict[str, Any]:
        """Send a message and wait for the end of its job."""
        with self.client() as client:
            job = client.submit(message, conversation_id=conversation_id)
            *_, last = client.watch(job["id"])
        return last

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip("\n"))


class FlowerPage:
    """Flower's address and the password that opens it."""

    def __init__(self, stack: Stack) -> None:
        status = json.loads(stack.trimind("status", "--json").stdout)
        self.url: str = next(s["url"] for s in status["services"] if s["name"] == "flower")
        secrets = json.loads((stack.home / "secrets.json").read_text())
        self.auth = tuple(secrets["flower_basic_auth"].split(":", 1))

    def ask(self, path: str, method: str = "GET", **options: Any) -> httpx.Response:
        """One request, with the password unless `auth` says otherwise."""
        auth = options.pop("auth", self.auth)
        return httpx.request(
            method, f"{self.url}{path}", auth=auth, trust_env=False, timeout=30, **options
        )

    def task(self, job: dict[str, Any], stage: str) -> dict[str, Any]:
        """What Flower knows of a stage's task; empty while it knows nothing."""
        found = self.ask(f"/api/task/info/{job['id']}.1.{stage}")
        return dict(found.json()) if found.is_success else {}


def run_trimind(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `trimind` to its end, with this environment."""
    return subprocess.run(
        [TRIMIND, *arguments], env=environ, cwd=ROOT, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="session")
def new_stack() -> Iterator[Callable[[], Stack]]:
    """Makes stacks on fresh data folders; all are ended, and their folders removed."""
    made: list[Stack] = []

    def make() -> Stack:
        home = Path(tempfile.mkdtemp(prefix="trimind-up-", dir="/tmp"))
        home.chmod(0o755)  # PostgreSQL's own user must be able to enter
        made.append(Stack(home))
        return made[-1]

    yield make
    for stack in made:
        if hasattr(stack, "process") and stack.process.poll() is None:
            stack.process.terminate()
            stack.wait_for_end()
        shutil.rmtree(stack.home)


@pytest.fixture(scope="session")
def stack(new_stack: Callable[[], Stack]) -> Stack:
    """A stack that serves: most tests share it."""
    serving = new_stack().start()
    serving.wait_for()
    return serving


@pytest.fixture(scope="session")
def flower(stack: Stack) -> FlowerPage:
    """The shared stack's Flower."""
    return FlowerPage(stack)


@pytest.fixture(scope="session")
def trimind() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`trimind(*arguments, **environ)`: the command on a machine where nothing of ours is set."""

    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return run_trimind(*arguments, **bare_environment(**environ))

    return run


@pytest.fixture(scope="session")
def too_long(stack: Stack) -> dict[str, Any]:
    """A finished job whose message fits no model; numbers are never compressed."""
    return stack.answered(" ".join(str(number) for number in range(100_000, 109_000)))
