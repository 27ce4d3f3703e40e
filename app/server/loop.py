"""The event loop of a web process."""

import asyncio
import gc
import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any, Final

from uvicorn import Config, Server

from config.logging import configure_logging
from config.settings import settings_or_exit
from config.shutdown import begin_shutdown

# How old the time in an answer's `Date` may be.
TICK_S: Final = 1.0
# Requests leave little garbage in cycles; Python looks for it after every 700 new objects.
COLLECT_AFTER: Final = 10_000
# How long a view may keep the event loop and the other views waiting; Python's own is 5 ms, longer
# than a whole request.
SWITCH_S: Final = 0.001


class Loop(Server):
    """Serves until a signal, or until its supervisor is gone."""

    def __init__(self, config: Config, supervisor: int | None = None) -> None:
        super().__init__(config)
        self._supervisor = supervisor
        self._running_loop: asyncio.AbstractEventLoop | None = None
        self._asked_to_end = asyncio.Event()

    def run(self, sockets: Any = None) -> None:
        """Serve until SIGTERM or SIGINT."""
        settings = settings_or_exit()
        configure_logging(settings.log_level, settings.log_format)
        signal.signal(signal.SIGTERM, _nothing)  # uvicorn raises it again after the shutdown
        signal.signal(signal.SIGINT, _nothing)
        super().run(sockets)

    async def startup(self, sockets: Any = None) -> None:
        """Start to serve."""
        gc.collect()
        gc.freeze()  # imported modules are never garbage: no need to scan them again
        gc.set_threshold(COLLECT_AFTER)
        gc.enable()
        sys.setswitchinterval(SWITCH_S)
        await super().startup(sockets)

    async def shutdown(self, sockets: Any = None) -> None:
        """End the waits and streams, then answer the requests that remain."""
        begin_shutdown()
        await super().shutdown(sockets)

    async def main_loop(self) -> None:
        """Wait for the signal; uvicorn would look for it ten times a second."""
        self._running_loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked_to_end.wait(), TICK_S)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the signal, and end the wait for it."""
        super().handle_exit(sig, frame)
        if self._running_loop is not None:
            # Not `set` alone: the handler may interrupt the loop anywhere, or its sleep.
            self._running_loop.call_soon_threadsafe(self._asked_to_end.set)

    async def on_tick(self, counter: int) -> bool:
        """Return whether to shut down now."""
        if self._supervisor is not None and os.getppid() != self._supervisor:
            self.should_exit = True
        return await super().on_tick(counter)


def _nothing(*_: object) -> None:
    """The shutdown is over."""
