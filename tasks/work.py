"""What a stage is given, and what it hands back: frozen, both."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import extract, select
from sqlalchemy.orm import Session

from models.conversations import Message
from models.jobs import Job
from models.transitions import Fence, begin, now


@dataclass(frozen=True)
class Work:
    """One run of one stage of a job.

    `deadline` is on `time.monotonic()`. `stop` is set when the work is not wanted any more; every
    stage that takes long looks at it.
    """

    fence: Fence
    mind: str
    message: str
    prompt: str | None
    intent: str | None
    route: dict[str, Any] | None
    attempts: int
    deadline: float
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def remaining_s(self) -> float:
        """Seconds until the job's deadline; negative after it."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Outcome:
    """What came of a stage: its status, its line of the receipt, and the job's columns it sets.

    `stored` says that the stage has written its own end, in its own transaction.
    """

    status: Literal["completed", "skipped", "degraded"]
    line: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    stored: bool = False


def load(session: Session, fence: Fence) -> Work | None:
    """Begin the stage and load what it works on; None where there is nothing to be done."""
    job = begin(session, fence)
    if job is None:
        return None
    message, remaining_s = session.execute(
        select(Message.content, extract("epoch", Job.expires_at - now()))
        .join(Job, Job.message_id == Message.id)
        .where(Job.id == job.id)
    ).one()
    return Work(
        fence=fence,
        mind=job.mind,
        message=message,
        prompt=job.prompt,
        intent=job.intent,
        route=job.route,
        attempts=job.attempts,
        deadline=time.monotonic() + float(remaining_s),
    )
