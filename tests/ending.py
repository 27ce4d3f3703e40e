"""A graceful end of a test run that is interrupted, with nothing left running."""

import queue
import signal
import time
from types import FrameType

import psutil
import pytest
from xdist.dsession import DSession
from xdist.workermanage import WorkerController

# The worker processes may take this long to stop their servers; then xdist kills them.
END_WITHIN_S = 60
_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def listen(config: pytest.Config) -> None:
    """Make every termination signal interrupt the tests like Ctrl-C.

    A signal that is ignored, as under `nohup` or in a background job, stays ignored, but by a
    handler, which children don't inherit: the servers under test must end when asked to.
    """
    worker = getattr(config, "workerinput", None)
    ignored = worker["ignored"] if worker else _ignored()
    config.pluginmanager.register(_Listener(ignored))
    if worker is None:
        config.pluginmanager.register(_Controller(config, ignored))


def _ignored() -> list[int]:
    asked = (*_ASKING, signal.SIGQUIT)
    return [int(number) for number in asked if signal.getsignal(number) is signal.SIG_IGN]


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing."""


class _Listener:
    """Reinstalls the handlers, which a supervisor replaces if a test runs it in this process."""

    def __init__(self, ignored: list[int]) -> None:
        self._ignored = ignored
        self._stop = _Once()
        self._listen()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self) -> None:
        self._listen()

    def _listen(self) -> None:
        for number in (*_ASKING, signal.SIGQUIT):
            if number in self._ignored:
                signal.signal(number, _ignore)
            elif number in _ASKING:
                signal.signal(number, self._stop)


class _Once:
    """Interrupts the tests once; another signal would interrupt the fixtures' teardown."""

    def __init__(self) -> None:
        self._asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self._asked:
            self._asked = True
            raise KeyboardInterrupt


class _Controller:
    """Tells the worker processes which signals count, and when to stop."""

    def __init__(self, config: pytest.Config, ignored: list[int]) -> None:
        self._config = config
        self._ignored = ignored
        self._nodes: set[WorkerController] = set()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: WorkerController) -> None:
        self._nodes.add(node)
        # The controller itself sends SIGINT, so that one always counts.
        ignored = [number for number in self._ignored if number != signal.SIGINT]
        node.workerinput["ignored"] = ignored

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: WorkerController) -> None:
        self._nodes.discard(node)

    def pytest_keyboard_interrupt(self) -> None:
        shared: DSession | None = self._config.pluginmanager.getplugin("dsession")
        if shared is not None:
            for process in psutil.Process().children():
                process.send_signal(signal.SIGINT)
            self._wait_for_the_end(shared)

    def _wait_for_the_end(self, shared: DSession) -> None:
        deadline = time.monotonic() + END_WITHIN_S
        while self._nodes and (left := deadline - time.monotonic()) > 0:
            try:
                name, told = shared.queue.get(timeout=left)
            except queue.Empty:
                return
            if name in ("workerfinished", "errordown"):
                self._nodes.discard(told["node"])
