"""WEB_CONCURRENCY processes behind one socket; one that ends is replaced."""

import gc
import multiprocessing
import os
import signal
import socket
import threading
from multiprocessing.context import SpawnProcess
from typing import Any, Final

import structlog
from uvicorn import Config

from app.server.loop import Loop

CHECK_EVERY_S: Final = 0.5
END_WITHIN_S: Final = 25.0

log = structlog.get_logger(__name__)


class Supervisor:
    """Starts the web processes, replaces those that end, and stops them all with itself."""

    def __init__(self, config: Config, listening: socket.socket) -> None:
        self._config, self._listening = config, listening
        self._stopping = threading.Event()

    def run(self) -> None:
        """Keep WEB_CONCURRENCY processes serving until SIGTERM or SIGINT."""
        gc.enable()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        processes = [self._start() for _ in range(self._config.workers)]
        while not self._stopping.wait(CHECK_EVERY_S):
            for index, process in enumerate(processes):
                if not process.is_alive():
                    log.warning("web process ended", pid=process.pid, status=process.exitcode)
                    processes[index] = self._start()
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(END_WITHIN_S)
            process.kill()  # if it still runs

    def _start(self) -> SpawnProcess:
        arguments = (self._config, self._listening, os.getpid())
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=arguments)
        process.start()
        return process

    def _stop(self, *_: Any) -> None:
        self._stopping.set()


def _serve(config: Config, listening: socket.socket, supervisor: int) -> None:
    gc.disable()  # until it has started: see `__main__.py`
    Loop(config, supervisor).run([listening])
