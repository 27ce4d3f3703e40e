"""Gunicorn's settings. The master reads them first, so a wrong variable ends it by its name."""

import gc
import os
from typing import Any

from gunicorn import glogging

from config.logging import configure_logging
from config.minds import minds_or_exit
from config.settings import settings_or_exit

_settings = settings_or_exit()
minds_or_exit()
configure_logging(_settings.log_level, _settings.log_format)


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's own lines, sent through our handler."""

    def setup(self, cfg: object) -> None:
        """Take away the handlers that gunicorn makes for itself."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def post_worker_init(worker: Any) -> None:
    """Let the application know when its process is asked to end (app/stopping.py)."""
    worker.wsgi.config["STOPPING"] = lambda: not worker.alive
    gc.collect()
    gc.freeze()  # what was imported stays: it need not be looked through for garbage again


bind = os.environ.get("BIND") or f"0.0.0.0:{_settings.port}"
worker_class = "gthread"  # as many as WEB_CONCURRENCY, which gunicorn reads; else one
threads = _settings.web_threads
graceful_timeout = 20  # a PaaS kills 30 s after SIGTERM
control_socket_disable = True  # it would lie in the home folder
accesslog = None  # the application writes a line a request, with its id
logger_class = Logger
