"""One event loop of the web process."""

import gc
import os
import signal
from typing import Any

from uvicorn import Config, Server

from config.logging import configure_logging
from config.settings import settings_or_exit
from config.shutdown import begin_shutdown


class Loop(Server):
    """One loop, which ends when it is asked to, and when its supervisor has gone."""

    def __init__(self, config: Config, supervisor: int | None = None) -> None:
        super().__init__(config)
        self._supervisor = supervisor

    def run(self, sockets: Any = None) -> None:
        """Serve until the end is asked for."""
        settings = settings_or_exit()
        configure_logging(settings.log_level, settings.log_format)
        signal.signal(signal.SIGTERM, _nothing)  # uvicorn raises it again once all has ended
        signal.signal(signal.SIGINT, _nothing)
        super().run(sockets)

    async def startup(self, sockets: Any = None) -> None:
        """Begin to serve."""
        gc.collect()
        gc.freeze()  # what was imported stays: it need not be looked through for garbage again
        await super().startup(sockets)

    async def shutdown(self, sockets: Any = None) -> None:
        """Let those who wait know that this process ends, then answer what is left."""
        begin_shutdown()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Whether to end now."""
        if self._supervisor is not None and os.getppid() != self._supervisor:
            self.should_exit = True
        return await super().on_tick(counter)


def _nothing(*_: object) -> None:
    """The end has come already."""
