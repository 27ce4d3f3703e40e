"""How a worker process starts and how it ends."""

import gc
import logging
import os
import random
from functools import partial
from typing import Any, Final

import structlog
from celery.concurrency import get_implementation
from celery.concurrency.thread import TaskPool as ThreadPool
from celery.signals import (
    celeryd_after_setup,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutting_down,
)
from celery.worker.consumer import consumer

from config.home import data_home
from config.minds import minds_or_exit
from config.outages import RepeatFilter
from config.settings import get_settings
from config.shutdown import begin_shutdown, on_shutdown
from tasks.compression.compressor import explain, warm
from tasks.compression.errors import CompressionFailed
from tasks.compression.llmlingua2 import NAME as LLMLINGUA
from tasks.daemon_loop import DaemonLoop
from tasks.execution.heartbeat import running
from tasks.execution.queues import consume_lanes, serves
from tasks.jobs import after_commit
from tasks.metrics.fleet import report_last, start_reporting
from tasks.metrics.gauges import RUNS, RUNS_MAX
from tasks.policies import GENERATE
from tasks.stages.compress import chosen_compressor
from tasks.tracing.recorder import close_tracing, start_tracing
from tasks.worker.bookkeeper import bookkeeper
from tasks.worker.cancel_listener import cancel_listener
from tasks.worker.drain import Drain
from tasks.worker.presence import announce_presence
from tasks.worker.processes import fork_processes
from tasks.worker.reconciler import reconciler
from tasks.worker.sweeper import sweeper
from tasks.worker.task_events import send_in_batches
from tasks.worker.thread_pool import TaskPool

# Tasks leave little garbage in cycles. To look for it after every 700 new objects, as Python does,
# took 3 % of a busy worker's time.
COLLECT_AFTER: Final = 10_000
PRESENCE_EVERY_S: Final = 5.0
# Its pool's module, which a worker with threads does not import.
PREFORK: Final = "celery.concurrency.prefork"

log = structlog.get_logger(__name__)

# It would log every failed attempt to connect.
logging.getLogger(consumer.__name__).addFilter(
    RepeatFilter(consumer.CONNECTION_ERROR, consumer.CONNECTION_RETRY)
)

# If its minds name no model with a key, a worker would fail every job: it exits here instead.
minds_or_exit()
after_commit.register()
send_in_batches()


@worker_init.connect
def _choose_pool(sender: Any, **_: Any) -> None:
    """Give `--pool threads` our pool, whose threads can go on with the jobs that they have, in each
    of WORKER_PROCESSES processes; the second is named `llm-2@host`."""
    if get_implementation(sender.pool_cls) is ThreadPool:
        sender.pool_cls = TaskPool
        number = fork_processes(get_settings().worker_processes)
        if number > 0:
            name, _, host = sender.hostname.partition("@")
            sender.hostname = f"{name}-{number + 1}@{host}"


@celeryd_after_setup.connect
def _prepare_to_consume(instance: Any, **_: Any) -> None:
    consume_lanes()
    if isinstance(instance.pool, TaskPool):
        instance.pool.prefetch_for(instance.consumer)


@worker_init.connect
def _spare_a_child(sender: Any, **_: Any) -> None:
    """Give `--pool prefork` a thread if one child is wanted and there are no weights: the
    extractive compressor takes milliseconds, and a child takes 100 MB."""
    prefork = get_implementation(sender.pool_cls).__module__ == PREFORK
    if prefork and sender.concurrency == 1 and not _has_weights():
        sender.pool_cls = TaskPool


def _has_weights() -> bool:
    try:
        return chosen_compressor().name == LLMLINGUA
    except CompressionFailed:
        return False  # `_note_compressor` says so


@worker_ready.connect
def _start_threads(sender: Any, **_: Any) -> None:
    # Imported modules are never garbage, and each scan of them would stop all threads for some
    # tenths of a second.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    gc.enable()
    log.info("worker started", pool_size=sender.pool.limit)
    threads = isinstance(sender.pool, TaskPool)
    RUNS.follow(running)
    RUNS_MAX.follow(lambda: sender.pool.limit if threads else 0)
    start_reporting()
    start_tracing()
    # The runs of a prefork pool are its children's: here would be none to cancel.
    for loop in (reconciler, sweeper, cancel_listener) if threads else (reconciler, sweeper):
        loop.start()
        on_shutdown(loop.stop)
    DaemonLoop("presence", partial(announce_presence, sender.hostname), _presence_interval).start()
    if GENERATE.stage in sender.app.tasks:
        bookkeeper.start()
        on_shutdown(bookkeeper.stop)
    if threads:
        if serves("cpu"):
            _note_compressor()
        sender.pool.deliver_for(sender)
        worker_shutting_down.connect(_drain, weak=False)


def _presence_interval() -> float:
    return PRESENCE_EVERY_S * random.uniform(0.8, 1)  # noqa: S311 (jitter)


def _drain(**_: Any) -> None:
    """Bound the shutdown of a thread pool; a prefork pool has Celery's soft shutdown."""
    Drain().start()


@worker_process_init.connect
def _warm_compressor(**_: Any) -> None:
    """Load the model before the first job, in each child of the cpu worker's prefork pool."""
    gc.enable()
    if _note_compressor():
        try:
            warm(chosen_compressor())
        except CompressionFailed as error:
            _note_failure(error)
    RUNS.follow(running)
    RUNS_MAX.follow(lambda: 1)
    start_reporting()
    start_tracing()
    random.seed()  # LLMLingua seeds every process alike, and retries must not synchronize


def _note_compressor() -> bool:
    """Log which compressor is used, and why; False if there is none."""
    settings = get_settings()
    try:
        found = explain(data_home(os.environ), settings.llmlingua_model)
    except CompressionFailed as error:
        _note_failure(error)
        return False
    wanted = settings.llmlingua_model is not None and not found.startswith(LLMLINGUA)
    (log.warning if wanted else log.info)("compressor chosen", compressor=found)
    return True


def _note_failure(error: CompressionFailed) -> None:
    log.error("compressor not loaded", effect="prompts are not compressed", error=str(error))


@worker_process_shutdown.connect
def _report_last(**_: Any) -> None:
    """A child of the prefork pool ends without Python's own end."""
    report_last()
    close_tracing()


@worker_shutting_down.connect
def _end_waits(**_: Any) -> None:
    begin_shutdown()
