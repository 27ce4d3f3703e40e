"""The event loop of a web process."""

import gc
import os
import signal
from typing import Any

from uvicorn import Config, Server

from config.logging import configure_logging
from config.settings import settings_or_exit
from config.shutdown import begin_shutdown


class Loop(Server):
    """Serves until a signal, or until its supervisor is gone."""

    def __init__(self, config: Config, supervisor: int | None = None) -> None:
        super().__init__(config)
        self._supervisor = supervisor

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
        await super().startup(sockets)

    async def shutdown(self, sockets: Any = None) -> None:
        """End the waits and streams, then answer the requests that remain."""
        begin_shutdown()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Return whether to shut down now."""
        if self._supervisor is not None and os.getppid() != self._supervisor:
            self.should_exit = True
        return await super().on_tick(counter)


def _nothing(*_: object) -> None:
    """The shutdown is over."""
