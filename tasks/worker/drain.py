"""SIGTERM to a worker of threads: finish what can be finished, hand back the rest, and go.

Celery's threads pool waits for its threads without limit, and a PaaS kills after 30 s.
"""

import os
import threading
import time

import structlog

from config.settings import get_settings
from models.errors import DatabaseUnavailable
from tasks.execution.heartbeat import hand_all_back

log = structlog.get_logger(__name__)


class Drain(threading.Thread):
    """Started when the shutdown begins; ends the process if it is still there at the limit."""

    def __init__(self) -> None:
        super().__init__(name="drain", daemon=True)

    def run(self) -> None:
        limit_s = get_settings().drain_s
        log.info("draining", limit_s=limit_s)
        time.sleep(limit_s)
        try:
            log.warning("handed back", jobs=hand_all_back())
        except DatabaseUnavailable as error:
            log.warning("not handed back, their leases run out", error=str(error))
        except Exception:  # the seam: whatever happened, the limit is kept
            log.exception("not handed back, their leases run out")
        os._exit(0)
