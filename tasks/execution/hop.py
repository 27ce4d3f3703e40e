"""The hop from a stage to the next: in the same thread if its worker serves the next stage's queue,
else by the broker. What makes a stage safe is its checkpoint, and not the message that asks for it.
"""

import threading
from dataclasses import dataclass
from typing import Any

import structlog
from celery import signature
from celery.app.task import Context
from celery.canvas import Signature
from kombu.exceptions import OperationalError

from config.outages import outages
from config.settings import get_settings
from config.shutdown import shutting_down
from tasks.celery import app

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Hop:
    """A stage that is due, as the Celery task that it is: `following` and the `chain` after it."""

    following: Signature[Any]
    chain: list[Any]
    parent_id: str
    root_id: str

    def publish(self) -> None:
        """Publish the stage's message, best effort. Celery would do it after the task, and show
        that as failed while the broker is unavailable, though its work is done and goes on."""
        try:
            self.following.apply_async(
                chain=self.chain, parent_id=self.parent_id, root_id=self.root_id
            )
        except OperationalError as error:
            outages.note("broker", error)
            log.debug("the next stage waits for its lease")


class _Thread(threading.local):
    """`goes_on`: this thread takes the hop that its task leaves."""

    goes_on = False
    left: Hop | None = None


_thread = _Thread()


def go_on_here() -> None:
    """Let the tasks of this thread leave their hops to it."""
    _thread.goes_on = True


def take_hop() -> Hop | None:
    """The hop that the task which has just ended in this thread has left."""
    left, _thread.left = _thread.left, None
    return left


def hop(request: Context) -> None:
    """Let the chain of a task that is done go on."""
    chain, request.chain = request.chain, None
    if not chain:
        return
    due = Hop(signature(chain.pop(), app=app), chain, request.id, request.root_id or request.id)
    if _thread.goes_on and _is_served_here(due.following):
        _thread.left = due
    else:
        due.publish()


def _is_served_here(following: Signature[Any]) -> bool:
    if get_settings().stage_hops != "local" or shutting_down.is_set():
        return False
    served = following.options["queue"] in app.amqp.queues.consume_from
    return served and following.task in app.tasks
