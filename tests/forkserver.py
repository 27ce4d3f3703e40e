"""Forks processes that are ready at once: `python forkserver.py MODULE...`.

Importing LiteLLM takes 5 s of CPU, the web application 2 s, and the tests start hundreds of both.
This process imports the given modules once, none of which reads a setting; each child then runs the
module of its order (`python -m …`) in its own process group, with the environment of its order.

Orders arrive on stdin. On stdout leave `ready`, `forked PID` for each order, and later `ended PID
STATUS`; a STATUS below zero is a signal's, as in `subprocess`.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import sys
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS"] = "True"

PR_SET_PDEATHSIG = 1


def reap_children(*_: Any) -> None:
    """Tell which children have ended, and how."""
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            say(f"ended {ended[0]} {os.waitstatus_to_exitcode(ended[1])}")
    except ChildProcessError:
        return


def fork_process(order: dict[str, Any]) -> int:
    """Fork a process and return its id."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    libc = ctypes.CDLL(None, use_errno=True)
    for namespace in order["namespaces"]:
        enter_namespace(libc, namespace)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    out = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(order["environ"])
    path = order["environ"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [order["cwd"], *path]
    os.chdir(order["cwd"])
    _python, _m, module, *arguments = order["argv"]
    sys.argv = ["-m", *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit(0)


def enter_namespace(libc: ctypes.CDLL, path: str) -> None:
    """Enter the namespace that this file of /proc stands for."""
    with open(path) as file:
        if libc.setns(file.fileno(), 0):
            sys.exit(f"cannot enter {path}: {os.strerror(ctypes.get_errno())}")


def say(what: str) -> None:
    """Write one line to stdout, in one piece: a signal's handler may write the next."""
    os.write(1, f"{what}\n".encode())


if __name__ == "__main__":
    sys.path[0] = os.getcwd()  # not this folder
    signal.signal(signal.SIGCHLD, reap_children)
    for module in sys.argv[1:]:
        importlib.import_module(module)
    gc.freeze()  # a child that looks for garbage would copy the pages of all that is imported
    say("ready")
    for line in sys.stdin:
        say(f"forked {fork_process(json.loads(line))}")
