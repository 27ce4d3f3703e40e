"""What a worker process does at its start and at its end."""

import gc
import logging
import os
import random
import sys
from typing import Any, Final

import structlog
from celery.concurrency.thread import TaskPool as ThreadPool
from celery.signals import worker_process_init, worker_ready, worker_shutting_down
from celery.worker.consumer import consumer

from config.home import data_home
from config.minds import minds_or_exit
from config.outages import RepeatFilter
from config.settings import get_settings
from config.shutdown import begin_shutdown, on_shutdown
from tasks.compression.compressor import explain, warm
from tasks.compression.errors import CompressionFailed
from tasks.compression.llmlingua2 import NAME as LLMLINGUA
from tasks.jobs import after_commit
from tasks.stages.compress import chosen_compressor
from tasks.worker.cancel_listener import cancel_listener
from tasks.worker.drain import Drain
from tasks.worker.reconciler import reconciler

SWITCH_S: Final = 0.001

log = structlog.get_logger(__name__)

# It would say at every try that it can't connect.
logging.getLogger(consumer.__name__).addFilter(
    RepeatFilter(consumer.CONNECTION_ERROR, consumer.CONNECTION_RETRY)
)

# A worker whose minds name no model that has a key would fail every job: it ends here instead.
minds_or_exit()
after_commit.register()


@worker_ready.connect
def _start_threads(sender: Any, **_: Any) -> None:
    # What the libraries have imported stays: to look through it again and again for garbage stops
    # all threads for some tenths of a second each time.
    gc.collect()
    gc.freeze()
    log.info("worker started", pool_size=sender.pool.limit)
    threads = isinstance(sender.pool, ThreadPool)
    # The runs of a prefork pool are its children's: here would be none to cancel.
    for loop in (reconciler, cancel_listener) if threads else (reconciler,):
        loop.start()
        on_shutdown(loop.stop)
    if threads:
        # Pieces of an answer pass through several threads: none should wait long for the others.
        sys.setswitchinterval(SWITCH_S)
        worker_shutting_down.connect(_drain, weak=False)


def _drain(**_: Any) -> None:
    """A prefork pool has Celery's own soft shutdown; a pool of threads has none."""
    Drain().start()


@worker_process_init.connect
def _warm_compressor(**_: Any) -> None:
    """Only the prefork pool of the cpu worker sends this signal, in each of its children."""
    settings = get_settings()
    try:
        found = explain(data_home(os.environ), settings.llmlingua_model)
        wanted = settings.llmlingua_model is not None and not found.startswith(LLMLINGUA)
        (log.warning if wanted else log.info)("compressor chosen", compressor=found)
        warm(chosen_compressor())
    except CompressionFailed as error:
        log.error("compressor not warmed, prompts stay as they are", error=str(error))
    random.seed()  # LLMLingua sets the same seed everywhere; retries must not come in step


@worker_shutting_down.connect
def _stop_waiting(**_: Any) -> None:
    begin_shutdown()
