"""The whole stack, started with `trimind up` on a fresh data folder and observed from outside."""

import json
import os
import secrets
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

from ..issuer import Issuer, serving_issuer

TRIMIND = str(Path(sys.executable).with_name("trimind"))
READY_WITHIN_S = 120
STOP_WITHIN_S = 30
SERVING = "demo key"
CLERK_SECRET = f"whsec_{secrets.token_hex(24)}"


def bare_environment(**more: str) -> dict[str, str]:
    """This process's environment, in which only the given variables of Trimind are set."""
    ours = {name for name in os.environ if name in KNOWN or name.startswith("TRIMIND_")}
    return {name: value for name, value in os.environ.items() if name not in ours} | more


class Stack:
    """A `trimind up` with its own data folder and port."""

    def __init__(self, home: Path) -> None:
        self.home = home
        # Short answers: these tests check that an answer arrives, not what it says.
        self.environ = bare_environment(
            TRIMIND_HOME=str(home), PORT=str(free_port()), MAX_TOKENS="64"
        )

    def start(self, *command: str) -> "Stack":
        """Start it, without waiting until it is ready."""
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
        """Wait for the first line that contains this text, and return it."""
        deadline = time.monotonic() + within_s
        while True:
            if found := next((line for line in list(self.lines) if text in line), None):
                return found
            assert self.process.poll() is None, f"it ended:\n{self.output}"
            assert time.monotonic() < deadline, f"no {text!r} within {within_s} s:\n{self.output}"
            time.sleep(0.05)

    def wait_for_end(self) -> int:
        """Wait for the end, 30 s at most, and return the exit code."""
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
        """The demo user's key, from the file named in the output."""
        self.wait_for(SERVING)
        return (self.home / "demo-key").read_text().strip()

    def family(self) -> set[Identity]:
        """All its processes, and the helper that outlives it."""
        return Session(Identity.of(self.process.pid)).family()

    def trimind(
        self, *arguments: str, given: str | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a `trimind` command in its environment, with this text as its standard input."""
        return run_trimind(*arguments, given=given, **(self.environ | environ))

    def client(self) -> Client:
        return Client(self.url, self.key)

    def answered(self, message: str, conversation_id: str | None = None) -> dict[str, Any]:
        """Send a message and wait for the end of its job."""
        with self.client() as client:
            job = client.submit(message, conversation_id=conversation_id)
            return {**client.wait(job["id"])}

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip("\n"))


class FlowerPage:
    """Flower's address and password."""

    def __init__(self, stack: Stack) -> None:
        status = json.loads(stack.trimind("status", "--json").stdout)
        self.url: str = next(s["url"] for s in status["services"] if s["name"] == "flower")
        kept = json.loads((stack.home / "secrets.json").read_text())
        self.auth = tuple(kept["flower_basic_auth"].split(":", 1))

    def ask(self, path: str, method: str = "GET", **options: Any) -> httpx.Response:
        """Send a request, with the password unless `auth` is given."""
        auth = options.pop("auth", self.auth)
        return httpx.request(
            method, f"{self.url}{path}", auth=auth, trust_env=False, timeout=30, **options
        )

    def task(self, job: dict[str, Any], stage: str) -> dict[str, Any]:
        """Flower's state of a stage's task, or an empty dict."""
        found = self.ask(f"/api/task/info/{job['id']}.1.{stage}")
        return dict(found.json()) if found.is_success else {}


def run_trimind(
    *arguments: str, given: str | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a `trimind` command with this environment and standard input, and wait for its end."""
    return subprocess.run(
        [TRIMIND, *arguments],
        env=environ,
        cwd=ROOT,
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="session")
def new_stack() -> Iterator[Callable[[], Stack]]:
    """Create stacks on fresh data folders; stop them and remove the folders afterwards."""
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
def issuer() -> Iterator[Issuer]:
    """The issuer of the shared stack's JWTs."""
    with serving_issuer() as found:
        yield found


@pytest.fixture(scope="session")
def stack(new_stack: Callable[[], Stack], issuer: Issuer) -> Stack:
    """A running stack, shared by most tests; it logs all it can, and knows all kinds of secrets."""
    serving = new_stack()
    serving.environ |= {
        "LOG_LEVEL": "DEBUG",
        "JWT_ISSUER": issuer.url,
        "CLERK_WEBHOOK_SECRET": CLERK_SECRET,
        "WEBHOOK_ALLOW_PRIVATE": "on",
    }
    serving.start()
    serving.wait_for()
    return serving


@pytest.fixture(scope="session")
def flower(stack: Stack) -> FlowerPage:
    """The shared stack's Flower."""
    return FlowerPage(stack)


@pytest.fixture(scope="session")
def trimind() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`trimind(*arguments, **environ)`: run the command without any of Trimind's variables."""

    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return run_trimind(*arguments, **bare_environment(**environ))

    return run


@pytest.fixture(scope="session")
def too_long(stack: Stack) -> dict[str, Any]:
    """A job that failed since its message fits no model: numbers are never compressed."""
    return stack.answered(" ".join(str(number) for number in range(100_000, 109_000)))
