"""Failpoints: places where a test can make this process die, as if it had been killed.

`CRASH_AT=<stage>.<point>` arms one. It fires once: the file `CRASH_ONCE` records that. The points
are before and after begin, checkpoint, publish (of the next stage's message) and ack; for the task
`deliver`, `before_publish`, before and after send, `after_store`, and before and after ack.
"""

import os
from pathlib import Path
from typing import Any

from celery import Task
from celery.signals import after_task_publish, before_task_publish
from celery.worker.request import Request

from config.environ import variable
from config.settings import get_settings
from models.jobs import STAGES


def point(stage: str, name: str) -> None:
    """Exit at once, without cleanup, if this failpoint is armed and has not fired yet."""
    settings = get_settings()
    if settings.crash_at != f"{stage}.{name}" or settings.crash_once is None:
        return
    if _first(settings.crash_once):
        os._exit(137)


def _first(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


class CrashingRequest(Request):  # type: ignore[misc]
    """A Celery request with failpoints around its acknowledgement."""

    def acknowledge(self) -> None:
        point(self.task_name, "before_ack")
        super().acknowledge()
        point(self.task_name, "after_ack")


class CrashingTask(Task):  # type: ignore[misc]
    """A task whose requests have these failpoints."""

    Request = f"{__name__}:CrashingRequest"


def task_class() -> type[Task]:
    """Return the class of the stages' tasks: Celery's own, unless a failpoint is armed."""
    return CrashingTask if variable("CRASH_AT") else Task


def _publisher(next_stage: str) -> str:
    return STAGES[STAGES.index(next_stage) - 1]


@before_task_publish.connect
def _before_publish(sender: str, **_: Any) -> None:
    if sender in STAGES[1:]:
        point(_publisher(sender), "before_publish")


@after_task_publish.connect
def _after_publish(sender: str, **_: Any) -> None:
    if sender in STAGES[1:]:
        point(_publisher(sender), "after_publish")
