"""The Celery application of `celery --app tasks.celery`. Importing it imports no stage."""

import os
from importlib import import_module
from logging import getLogger
from typing import Any, Final

from celery import Celery
from celery.concurrency import get_implementation
from celery.concurrency.thread import TaskPool as ThreadPool
from celery.signals import celeryd_init, setup_logging

from config import broker_transport
from config.logging import configure_logging
from config.misspelled import warn_of_misspelled
from config.settings import get_settings

# Celery reads these itself, and each would win over our settings: the web would publish to a broker
# that no worker listens to. Its command sets some of them, from BROKER_URL and others.
OVERRIDES: Final = (
    "CELERY_BROKER_URL",
    "CELERY_BROKER_READ_URL",
    "CELERY_BROKER_WRITE_URL",
    "CELERY_RESULT_BACKEND",
    "CELERY_LOADER",
)
for name in OVERRIDES:
    os.environ.pop(name, None)

broker_transport.use_for_redis()
app = Celery("trimind")
app.config_from_object("config.celery")


@celeryd_init.connect
def _prepare_worker(conf: Any, options: dict[str, Any], **_: Any) -> None:
    """Set the size of the pool, unless the command line does."""
    settings = get_settings()
    threads = get_implementation(options.get("pool") or conf.worker_pool) is ThreadPool
    conf.worker_concurrency = settings.worker_threads if threads else settings.cpu_workers
    if settings.log_format == "json":
        # Celery would otherwise write its shutdown message to the terminal, bypassing the log.
        vars(import_module("celery.apps.worker"))["safe_say"] = _say


@setup_logging.connect
def _log_as_trimind(**_: Any) -> None:
    settings = get_settings()
    configure_logging(settings.log_level, settings.log_format)
    warn_of_misspelled()


def _say(message: str, *_: Any) -> None:
    getLogger("celery.worker").info("%s", message)
