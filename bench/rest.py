"""What the whole stack costs while nobody uses it: memory, CPU, and how soon each process is ready.

Starts the Procfile's processes on an embedded PostgreSQL and Valkey, one after another, lets them
rest for a minute, and prints a table. `python -m bench.rest FILE` also writes it as JSON.
"""

import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from app.cli.local.services import ROOT, Addresses, application
from deploy.embedded.backends import Backends
from deploy.embedded.ports import free_port
from deploy.embedded.service import Service
from deploy.embedded.supervisor import Supervisor

REST_S: Final = 60.0
# After the start: what runs once, such as the first look of each loop, is not rest.
SETTLE_S: Final = 10.0
# No model is started and none is called; `trimind up` has a worker process for each core.
KEY: Final = {"OPENAI_API_KEY": "bench", "WORKER_PROCESSES": "1"}
# What each process of the Procfile imports, and what of it is heavy.
ROOTS: Final = {
    "web": "app.asgi",
    "worker": "tasks.worker.commands celery.bin.worker tasks.worker.bootstrap tasks.stages.intent"
    " tasks.stages.generate tasks.stages.persist tasks.stages.compress",
    "cpu": "tasks.worker.commands celery.bin.worker tasks.worker.bootstrap tasks.stages.compress",
    "flower": "tasks.worker.commands flower.command",
}
HEAVY: Final = (
    "alembic",
    "aiohttp",
    "flask",
    "litellm",
    "numpy",
    "openai",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "sqlalchemy.orm",
    "structlog",
    "tiktoken",
    "tokenizers",
    "torch",
    "tornado",
    "transformers",
)
IMPORTING: Final = """
import importlib, json, resource, sys, time
before = set(sys.modules)
for name in sys.argv[1].split():
    importlib.import_module(name)
heavy = [name for name in sys.argv[2].split() if name in sys.modules]
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "cpu_s": round(time.process_time(), 2),
    "peak_mb": round(used.ru_maxrss / 1024),
    "modules": len(sys.modules) - len(before),
    "heavy": heavy,
}))
"""


@dataclass(frozen=True)
class Imports:
    """What a process imports, in an interpreter of its own."""

    cpu_s: float
    peak_mb: int
    modules: int
    heavy: list[str]


@dataclass
class Resting:
    """A process of the stack, with its children."""

    ready_s: float
    ready_cpu_s: float
    processes: int = 0
    threads: int = 0
    rss_mb: float = 0
    pss_mb: float = 0
    cpu_percent: float = 0


def main() -> None:
    """Measure, print, clean up."""
    _compile()
    with _stack() as (supervisor, found):
        time.sleep(SETTLE_S)
        _rest(supervisor, found)
        environ = _environ(supervisor, "web")
    imports = {name: _imports(environ, roots) for name, roots in ROOTS.items()}
    _print(found, imports)
    if len(sys.argv) > 1:
        report = {
            "rest": {name: asdict(one) for name, one in found.items()},
            "total": {field: _total(found, field) for field in ("rss_mb", "pss_mb", "cpu_percent")},
            "imports": {name: asdict(one) for name, one in imports.items()},
        }
        Path(sys.argv[1]).write_text(json.dumps(report, indent=1))


def _compile() -> None:
    """Compile this tree, as an installation is: a process that compiles it takes 13 MB more."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for package in ("app", "config", "deploy", "models", "tasks"):
        compileall.compile_dir(ROOT / package, quiet=1)


@contextmanager
def _stack() -> Iterator[tuple[Supervisor, dict[str, Resting]]]:
    home = Path(tempfile.mkdtemp(prefix="trimind-bench-", dir="/tmp"))
    home.chmod(0o755)  # PostgreSQL's own user must be able to enter
    try:
        with Supervisor(home, Log(home / "bench.log")) as supervisor:
            yield supervisor, _start_all(supervisor)
    finally:
        shutil.rmtree(home)


def _start_all(supervisor: Supervisor) -> dict[str, Resting]:
    """Start each by itself, so that none waits for another's imports."""
    backends = Backends(supervisor.home, KEY)
    port, flower_port = free_port(), free_port()
    # The supervisor asks the workers by this process's own settings.
    os.environ.update(backends.environment() | KEY)
    where = Addresses(f"127.0.0.1:{port}", port, flower_port)
    supervisor.start(backends.services())
    found = {name: Resting(0, 0) for name in backends.names()}
    for service in application(dict(os.environ), where, backends.names()):
        took = _start(supervisor, service)
        if not service.once:
            found[service.name] = took
    return found


def _start(supervisor: Supervisor, service: Service) -> Resting:
    began = time.monotonic()
    supervisor.start([service])
    took = time.monotonic() - began
    return Resting(took, sum(map(_cpu_s, _tree(supervisor, service.name))))


def _rest(supervisor: Supervisor, found: dict[str, Resting]) -> None:
    trees = {name: _tree(supervisor, name) for name in found}
    before = {name: sum(map(_cpu_s, tree)) for name, tree in trees.items()}
    time.sleep(REST_S)
    for name, one in found.items():
        spent = sum(map(_cpu_s, trees[name])) - before[name]
        one.cpu_percent = spent / REST_S * 100
        one.processes = len(trees[name])
        one.threads = sum(process.num_threads() for process in trees[name])
        one.rss_mb = sum(_rollup_mb(process, "Rss") for process in trees[name])
        one.pss_mb = sum(_rollup_mb(process, "Pss") for process in trees[name])


def _tree(supervisor: Supervisor, name: str) -> list[psutil.Process]:
    pid = supervisor.pid(name)
    if pid is None:
        return []
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _rollup_mb(process: psutil.Process, what: str) -> float:
    """A sum of the kernel's; Pss counts a page that n processes share as 1/n of a page in each."""
    for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"{what} of {process}")


def _environ(supervisor: Supervisor, name: str) -> dict[str, str]:
    return dict(_tree(supervisor, name)[0].environ())


def _imports(environ: Mapping[str, str], roots: str) -> Imports:
    command = [sys.executable, "-c", IMPORTING, roots, " ".join(HEAVY)]
    done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, check=True)
    return Imports(**json.loads(done.stdout.splitlines()[-1]))


class Log:
    """The lines of all processes, in a file: a terminal would be part of what is measured."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, name: str, line: str) -> None:
        with self._file.open("a") as out:
            out.write(f"{name} {line}\n")


def _total(found: Mapping[str, Resting], field: str) -> float:
    return float(sum(getattr(one, field) for one in found.values()))


def _print(found: Mapping[str, Resting], imports: Mapping[str, Imports]) -> None:
    print("| process | ready after s | CPU until then s | processes | threads |", end="")
    print(" RSS MB | PSS MB | CPU at rest, % of a core |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, one in found.items():
        print(
            f"| {name} | {one.ready_s:.1f} | {one.ready_cpu_s:.1f} | {one.processes} |"
            f" {one.threads} | {one.rss_mb:.0f} | {one.pss_mb:.0f} | {one.cpu_percent:.2f} |"
        )
    print(
        f"| all | | | | | {_total(found, 'rss_mb'):.0f} | {_total(found, 'pss_mb'):.0f} |"
        f" {_total(found, 'cpu_percent'):.2f} |"
    )
    print("\nall of them, at rest")
    print(f"  PSS                  {_total(found, 'pss_mb'):6.0f} MB")
    print(f"  CPU of a core        {_total(found, 'cpu_percent'):6.2f} %")
    print("\n| imports of | CPU s | peak MB | modules | heavy |")
    print("| --- | --- | --- | --- | --- |")
    for name, what in imports.items():
        heavy = ", ".join(what.heavy)
        print(f"| {name} | {what.cpu_s:.1f} | {what.peak_mb} | {what.modules} | {heavy} |")


if __name__ == "__main__":
    main()
