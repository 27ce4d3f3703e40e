"""SIGTERM to a worker with a thread pool: finish what can be finished, hand back the rest, exit.

Celery's thread pool waits for its threads without limit, and a PaaS kills after 30 s.
"""

import os
import threading
import time

import structlog

from config.settings import get_settings
from models.errors import DatabaseUnavailable
from tasks.execution.heartbeat import hand_all_back
from tasks.metrics.fleet import report_last
from tasks.tracing.recorder import close_tracing

log = structlog.get_logger(__name__)


class Drain(threading.Thread):
    """Started by the shutdown; ends the process if it still runs after DRAIN_S."""

    def __init__(self) -> None:
        super().__init__(name="drain", daemon=True)

    def run(self) -> None:
        limit_s = get_settings().drain_s
        log.info("draining", limit_s=limit_s)
        time.sleep(limit_s)
        try:
            log.warning("runs handed back", runs=hand_all_back())
        except DatabaseUnavailable as error:
            log.warning("runs not handed back", effect="their leases expire", error=str(error))
        except Exception:  # the boundary: the process must end at the limit
            log.exception("runs not handed back", effect="their leases expire")
        try:
            report_last()
        except Exception:  # the same boundary
            log.exception("last counts not reported")
        close_tracing()
        os._exit(0)
