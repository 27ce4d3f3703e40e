"""The hop from a stage to the next: in the same thread if its worker serves the next stage's queue,
else by the broker. What makes a stage safe is its checkpoint, and not the message that asks for it.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import structlog
from celery import signature
from celery.app.amqp import task_message
from celery.app.task import Context
from celery.canvas import Signature
from kombu.exceptions import OperationalError

from config.outages import outages
from config.settings import get_settings
from config.shutdown import shutting_down
from models.lifecycle.fence import Fence
from tasks.celery import app
from tasks.execution.handover import Handover
from tasks.execution.heartbeat import keep, release
from tasks.execution.queues import serves
from tasks.jobs.message import publish, stage_message

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Hop:
    """A stage that is due, as the Celery task that it is: `following` and the `chain` after it."""

    following: Signature[Any]
    chain: list[Any]
    parent_id: str
    root_id: str
    handover: Handover | None = None

    def message(self) -> task_message:
        """The message of the stage that is due."""
        due = self.following
        return stage_message(due.id, due.task, due.args, self.chain, self.parent_id, self.root_id)

    def publish(self) -> None:
        """Publish the message of the stage that is due, best effort; one that was begun is queued
        again before, and lost if it can't be. Nothing is due if the job is completed."""
        if self.handover is None:
            self._publish()
            return
        if self.handover.begun is not None:
            release(self.handover.begun)
        if self.handover.give_back():
            self._beyond(len(self.handover.done))._publish()

    def _beyond(self, done: int) -> "Hop":
        """The hop to the stage after so many that are done."""
        if not done:
            return self
        due = signature(self.chain[-1], app=app)
        return Hop(due, self.chain[:-1], self.following.id, self.root_id)._beyond(done - 1)

    def _publish(self) -> None:
        """Celery would publish after the task, and show that as failed while the broker is
        unavailable, though its work is done and goes on."""
        try:
            options = self.following.options
            publish(self.message(), options["queue"], options.get("priority"))
        except OperationalError as error:
            outages.note("broker", error)
            log.debug("the next stage waits for its lease")


class _Thread(threading.local):
    """`goes_on`: this thread takes the hop that its task leaves. `offered`: what was handed over to
    the task that it delivers."""

    goes_on = False
    left: Hop | None = None
    offered: Handover | None = None


_thread = _Thread()


def go_on_here() -> None:
    """Let the tasks of this thread leave their hops to it."""
    _thread.goes_on = True


def take_hop() -> Hop | None:
    """The hop that the task which has just ended in this thread has left."""
    left, _thread.left = _thread.left, None
    return left


def offer(handover: Handover | None) -> None:
    """Offer to the next task of this thread what was handed over to it."""
    _thread.offered = handover


def is_offered() -> bool:
    """Whether no task has accepted what was offered."""
    return _thread.offered is not None


def accept(fence: Fence) -> Handover | None:
    """What was handed over to this stage; None: its message comes from the broker."""
    offered = _thread.offered
    if offered is None or not offered.is_for(fence):
        return None
    _thread.offered = None
    return offered


def hop(request: Context, handover: Handover | None = None) -> None:
    """Let the chain of a task that is done go on; `handover` is what it has begun of it."""
    chain, request.chain = request.chain, None
    if not chain:
        return
    following, root_id = signature(chain.pop(), app=app), request.root_id or request.id
    due = Hop(following, chain, request.id, root_id, handover)
    if _goes_on() and _is_served_here(following):
        if handover is not None and handover.begun is not None:
            keep(handover.begun)
        _thread.left = due
    else:
        due.publish()


def stages_here(request: Context) -> list[str]:
    """The stages after a task's own with which this thread goes on, up to the first that belongs to
    another worker."""
    following = reversed(request.chain or ()) if _goes_on() else ()
    return [each["task"] for each in takewhile(_is_served_here, following)]


def _goes_on() -> bool:
    local = get_settings().stage_hops == "local"
    return _thread.goes_on and local and not shutting_down.is_set()


def _is_served_here(following: Mapping[str, Any]) -> bool:
    """Whether this worker serves a stage's queue; `following` is its signature."""
    return serves(following["options"]["queue"]) and following["task"] in app.tasks
