"""The Procfile's processes as services: what each needs, and when it is ready."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.cli.local.readiness import flower_ready, web_ready, worker_ready
from app.cli.local.running import FLOWER, WEB
from deploy.embedded.process import module_environ
from deploy.embedded.procfile import read_procfile, shell_command
from deploy.embedded.service import Service

ROOT: Final = Path(__file__).resolve().parents[3]
RELEASE: Final = "release"
LOOPBACK: Final = "127.0.0.1"
# An import of LiteLLM takes 5 s alone; on a busy machine with slow disks much more.
READY_WITHIN_S: Final = 120
# What must be healthy before each process starts, and is stopped after it. Backends that are not
# started here don't count.
NEEDS: Final = {
    RELEASE: ("postgres",),
    WEB: (RELEASE, "postgres", "redis"),
    "worker": (RELEASE, "postgres", "redis", "model"),
    "cpu": (RELEASE, "postgres", "redis"),
    FLOWER: ("redis",),
}
# Each has its own pool of database connections.
MOST_WORKER_PROCESSES: Final = 8
# Six lines about pickle, which our workers refuse.
ROOT_WARNING: Final = "ignore:You're running the worker with superuser privileges"


@dataclass(frozen=True)
class Addresses:
    """Where the web process and Flower listen."""

    bind: str
    port: int
    flower_port: int
    flower_prefix: str = ""

    @property
    def web_url(self) -> str:
        """The web process's address, from this machine."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def flower_url(self) -> str:
        """Flower's address, from this machine."""
        prefix = self.flower_prefix.strip("/")
        return f"http://{LOOPBACK}:{self.flower_port}{prefix and f'/{prefix}'}"


def application(
    environ: Mapping[str, str], addresses: Addresses, backends: tuple[str, ...]
) -> list[Service]:
    """The Procfile's processes, started with the Procfile's own commands.

    Args:
        environ: all variables that the processes need.
        addresses: where they listen.
        backends: names of the services started with them.
    """
    environ = {"WORKER_PROCESSES": str(_worker_processes(backends)), **environ}
    ready = _ready(environ, addresses)
    urls = {WEB: addresses.web_url, FLOWER: addresses.flower_url}
    return [
        Service(
            name=name,
            command=shell_command(command),
            environ=_environ(name, environ, addresses),
            ready=ready.get(name, worker_ready)(command),
            needs=tuple(one for one in NEEDS.get(name, ()) if one in (RELEASE, *backends)),
            once=name == RELEASE,
            ready_within_s=READY_WITHIN_S,
            cwd=ROOT,
            url=urls.get(name),
        )
        for name, command in read_procfile(ROOT / "Procfile").items()
    ]


def _ready(
    environ: Mapping[str, str], addresses: Addresses
) -> dict[str, Callable[[str], Callable[[], bool]]]:
    web = web_ready(addresses.web_url)
    flower = flower_ready(addresses.flower_url, environ["FLOWER_BASIC_AUTH"])
    return {RELEASE: lambda _: bool, WEB: lambda _: web, FLOWER: lambda _: flower}


def _worker_processes(backends: tuple[str, ...]) -> int:
    """One for each core; only one beside the embedded model, which keeps the cores busy."""
    if "model" in backends:
        return 1
    return min(len(os.sched_getaffinity(0)), MOST_WORKER_PROCESSES)


def _environ(name: str, environ: Mapping[str, str], addresses: Addresses) -> dict[str, str]:
    """Every process listens on PORT, as on a PaaS."""
    port = addresses.flower_port if name == FLOWER else addresses.port
    return module_environ(environ) | {
        # The python, celery and trimind of this virtual environment.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": ",".join(filter(None, (environ.get("PYTHONWARNINGS"), ROOT_WARNING))),
        "PORT": str(port),
        "FLOWER_PORT": str(addresses.flower_port),
        "BIND": addresses.bind,
        "FLOWER_URL": environ.get("FLOWER_URL", addresses.flower_url),
        "FLOWER_ADDRESS": environ.get("FLOWER_ADDRESS", LOOPBACK),
    }
