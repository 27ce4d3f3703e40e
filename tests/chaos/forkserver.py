"""Forks workers that are ready at once: orders arrive on stdin, process ids leave on stdout.

Importing LiteLLM takes 5 s of CPU, and a chaos test starts hundreds of workers. This process
imports the libraries once, and nothing of ours; each child then runs the module of its order
(`python -m …`) in its own process group, and imports Trimind with the environment of its order.
"""

import ctypes
import importlib
import json
import os
import runpy
import signal
import sys
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS"] = "True"

LIBRARIES = (
    "celery.bin.celery",
    "celery.bin.worker",
    "celery.concurrency.thread",
    "celery.worker.worker",
    "kombu.transport.redis",
    "litellm.llms.custom_httpx.http_handler",
    "psycopg",
    "pybreaker",
    "pydantic_settings",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.orm",
    "structlog",
    "tenacity",
)
PR_SET_PDEATHSIG = 1


def reap_children(*_: Any) -> None:
    """Reap dead children: a zombie's process id would look alive."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def fork_worker(order: dict[str, Any]) -> int:
    """Fork a worker and return its process id."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(order["environ"])
    path = order["environ"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [order["cwd"], *path]
    os.chdir(order["cwd"])
    _python, _m, module, *arguments = order["argv"]
    sys.argv = ["-m", *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    os._exit(0)


def say(what: object) -> None:
    """Write one line to stdout."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, reap_children)
    for library in LIBRARIES:
        importlib.import_module(library)
    say("ready")
    for line in sys.stdin:
        say(fork_worker(json.loads(line)))
