"""A real stack: servers, web, provider, workers, and proxies between them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import redis

from deploy.embedded.backends import Backends
from deploy.embedded.ports import free_port
from deploy.embedded.process import Process
from deploy.embedded.procfile import read_procfile, shell_command

from .profiles import Profile
from .proxy import Proxy
from .waiting import wait_for
from .workers import ROOT, Fleet, Worker, fork_server

HERE = Path(__file__).parent
# No model is started, and the provider of these tests accepts any key.
KEY = {"OPENAI_API_KEY": "chaos"}
MINDS = """
default_mind = "one"
intent_models = []
[intents]
other = "anything"
[routes]
only = ["openai/gpt-4o-mini"]
[minds.one]
title = "The One"
system_prompt = "Answer."
[minds.one.routes]
default = "only"
[minds.two]
title = "The Other"
system_prompt = "Answer."
[minds.two.routes]
default = "only"
[minds.three]
title = "The Third"
system_prompt = "Answer."
[minds.three.routes]
default = "only"
"""


class Stack:
    """A complete Trimind on loopback. A context manager that cleans up everything."""

    def __init__(self, profile: Profile, **environ: str) -> None:
        self.profile = profile
        self._more = environ
        self.home = Path(tempfile.mkdtemp(prefix="trimind-chaos-", dir="/tmp"))
        self.home.chmod(0o755)  # PostgreSQL's own user must be able to enter
        self._exits = ExitStack()
        self._named = 0

    def __enter__(self) -> "Stack":
        with ExitStack() as exits:
            exits.callback(shutil.rmtree, self.home, ignore_errors=True)
            self.backends = exits.enter_context(Backends(self.home, KEY))
            self.environ = self._environment()
            self.forkserver = fork_server()
            self._workers: list[Worker] = []
            exits.callback(self._kill_workers)
            self._processes: list[Process] = []
            exits.callback(self._end_processes)
            self.trimind("db", "upgrade")
            # They take seconds to start, so all of them do at the same time.
            self._start_provider()
            self._web = self.start("web")
            self.key = self.trimind("key", "create", "--user", "chaos").strip()
            self._wait_for_provider()
            self._wait_for_web()
            self.forkserver.wait_until_ready()
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    # --- what is in it

    @property
    def database_url(self) -> str:
        """The URL for psycopg."""
        return self.environ["DATABASE_URL"].replace("+psycopg", "")

    def redis(self) -> redis.Redis:
        """A client of the broker."""
        return redis.Redis.from_url(self.environ["REDIS_URL"], decode_responses=True)

    def targets(self) -> dict[str, int | str]:
        """Where its servers listen: a port of 127.0.0.1, or the path of a socket."""
        folder = parse_qs(urlsplit(self.database_url).query)["host"][0]
        return {
            "Redis": urlsplit(self.environ["REDIS_URL"]).port or 6379,
            "PostgreSQL": f"{folder}/.s.PGSQL.5432",
            "the provider": self._provider_port,
        }

    def behind(self, proxies: Mapping[str, Proxy]) -> dict[str, str]:
        """The settings of a worker that reaches these of its `targets` through proxies."""
        settings = {}
        if proxy := proxies.get("Redis"):
            url = urlsplit(self.environ["REDIS_URL"])
            there = f"{url.netloc.rpartition('@')[0]}@{proxy.host}:{proxy.port}"
            settings["REDIS_URL"] = url._replace(netloc=there).geturl()
        if proxy := proxies.get("PostgreSQL"):
            url = urlsplit(self.database_url)
            there = f"{url.username}@{proxy.host}:{proxy.port}{url.path}"
            settings["DATABASE_URL"] = (
                f"postgresql+psycopg://{there}?sslmode=disable&gssencmode=disable"
            )
        if proxy := proxies.get("the provider"):
            settings["OPENAI_API_BASE"] = f"http://{proxy.host}:{proxy.port}/v1"
        return settings

    def fleet(self, count: int | None = None, **environ: str) -> Fleet:
        """A new fleet of workers, not started yet."""
        return Fleet([self.worker(**environ) for _ in range(count or self.profile.workers)])

    def worker(self, namespaces: Sequence[str] = (), **environ: str) -> Worker:
        """A new worker, not started yet, in its own namespaces if any are given."""
        self._named += 1
        made = Worker(
            f"w{self._named}",
            self.forkserver,
            self.environ | environ,
            self.home,
            namespaces=namespaces,
        )
        self._workers.append(made)
        return made

    def trimind(self, *arguments: str) -> str:
        """Run a command of `trimind`; returns what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            env=self.environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def set_faults(self, **faults: object) -> None:
        """Set the provider's faults; without arguments, none."""
        httpx.put(f"{self.provider}/faults", json=faults, timeout=10).raise_for_status()

    def calls(self) -> list[dict[str, Any]]:
        """All calls that the provider has begun to serve."""
        return list(httpx.get(f"{self.provider}/calls", timeout=30).json())

    def start(self, name: str, **environ: str) -> Process:
        """Start one more process, by the Procfile's command; it need not be ready yet."""
        return self._start(name, shell_command(read_procfile(ROOT / "Procfile")[name]), **environ)

    def pids(self) -> dict[str, int]:
        """The process ids of its servers and of the web, by name."""
        servers = {name: self.backends.pid(name) for name in ("postgres", "redis")}
        running = {name: pid for name, pid in servers.items() if pid is not None}
        return running | {"web": self._web.identity.pid}

    # --- what befalls it

    def empty_redis(self) -> None:
        """Kill Redis and start it without its data."""
        self.kill_redis()
        shutil.rmtree(self.home / "redis" / "appendonlydir", ignore_errors=True)
        self.backends.restart("redis")

    def kill_redis(self) -> None:
        """Kill Redis; it stays down until `backends.restart`."""
        self.backends.kill("redis")

    def crash_postgres(self) -> None:
        """Stop PostgreSQL with an immediate shutdown; the next start recovers from the WAL."""
        pid = self.backends.pid("postgres")
        assert pid is not None
        os.kill(pid, signal.SIGQUIT)
        wait_for(lambda: not (self.home / "postgres/postmaster.pid").exists(), 20, "the shutdown")

    def kill_web(self) -> None:
        """Kill the web process and start another at the same address."""
        self._processes.remove(self._web)
        self._web.kill()
        self._web = self.start("web")
        self._wait_for_web()

    # --- how it is built

    def _environment(self) -> dict[str, str]:
        minds = self.home / "minds.toml"
        minds.write_text(MINDS)
        self.web_port, self._provider_port = free_port(), free_port()
        self.provider = f"http://127.0.0.1:{self._provider_port}"
        self.web = f"http://127.0.0.1:{self.web_port}"
        return {
            **_bare(),
            **self.backends.environment(),
            **KEY,
            **self.profile.leases,
            "OPENAI_API_BASE": f"{self.provider}/v1",
            "MINDS_FILE": str(minds),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PORT": str(self.web_port),
            "BIND": f"127.0.0.1:{self.web_port}",
            "WORKER_THREADS": str(self.profile.threads),
            "STAGE_HOPS": self.profile.hops,
            "LOG_FORMAT": "json",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            **self._more,
        }

    def _start_provider(self) -> None:
        script = str(HERE / "provider.py")
        self._start("provider", (sys.executable, script, str(self._provider_port)))

    def _wait_for_provider(self) -> None:
        wait_for(lambda: _answers(f"{self.provider}/calls"), 20, "the provider")

    def _wait_for_web(self) -> None:
        wait_for(lambda: _answers(f"{self.web}/healthz"), 60, "the web")

    def _start(self, name: str, command: tuple[str, ...], **environ: str) -> Process:
        log = (self.home / f"{name}.log").open("a")
        self._exits.callback(log.close)

        def write(line: str) -> None:
            if not log.closed:
                log.write(line + "\n")
                log.flush()

        process = Process(command, environ=self.environ | environ, on_line=write, cwd=ROOT)
        self._processes.append(process)
        return process

    def _kill_workers(self) -> None:
        for worker in self._workers:
            worker.wanted = False
        for worker in self._workers:
            if worker.alive():
                worker.kill()

    def _end_processes(self) -> None:
        for process in self._processes:
            process.stop(5)


def _bare() -> Mapping[str, str]:
    """This process's environment without any of Trimind's variables."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False
