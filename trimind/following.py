"""A stream that continues after its last event, over as many connections as it takes; and a wait
that asks again until its end."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar

from trimind.call import Call
from trimind.errors import TimedOut, TrimindClientError, Unreachable
from trimind.objects import UNFINISHED, Event
from trimind.patience import REDEPLOYED_S, Patience
from trimind.replies import Reply
from trimind.sse import EventReader

# The server sends something every 15 s.
SILENCE_S: Final = 40.0
# The seconds that one call waits; a server may grant fewer.
WAIT_S: Final = 20
POLL_S: Final = 1.0
BROKE_OFF: Final = "The stream broke off."

Thing = TypeVar("Thing")


class Following:
    """A stream of events: where it is, and whether its end has come.

    Args:
        path: the stream's path.
        is_last: whether an event is the last one.
        retries: see Patience.
    """

    def __init__(self, path: str, is_last: Callable[[Event], bool], retries: int) -> None:
        self.ended = False
        self._path = path
        self._is_last = is_last
        self._patience = Patience(retries, REDEPLOYED_S)
        self._position = ""
        self._reader = EventReader()

    def call(self) -> Call[None]:
        """The next connection, from the event after the last one."""
        self._reader = EventReader()
        query = {"starting_after": self._position} if self._position else {}
        return Call("GET", self._path, _nothing, query=query, timeout_s=SILENCE_S)

    def opened(self, status: int) -> None:
        """Note that the server has accepted the connection."""
        self._patience.renew()
        self.ended = status == HTTPStatus.NO_CONTENT

    def read(self, piece: bytes) -> Iterator[Event]:
        """The events that the next piece of the stream completes."""
        for received in self._reader.read(piece):
            self._position = received.position
            self.ended = self._is_last(received.event)
            yield received.event
            if self.ended:
                return

    def pause_after(self, error: TrimindClientError | None) -> float:
        """The seconds until the next connection. Raises the error if there should be none; without
        one, the server has closed the connection."""
        return self._patience.pause_after(error or Unreachable(BROKE_OFF, passing=True))


@dataclass(frozen=True)
class Awaited(Generic[Thing]):
    """What was waited for as it is now, and the seconds until it is worth asking again."""

    thing: Thing
    ended: bool
    pause_s: float


class Waiting(Generic[Thing]):
    """Asks for a job or a broadcast, with `Prefer: wait`, until it has ended.

    Args:
        path: what is waited for.
        timeout_s: seconds until TimedOut is raised; None waits until the end.
        retries: see Patience.
    """

    def __init__(self, path: str, timeout_s: float | None, retries: int) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._until = None if timeout_s is None else time.monotonic() + timeout_s
        self.patience = Patience(retries, REDEPLOYED_S)

    def call(self) -> Call[Awaited[Thing]]:
        """The next call."""
        self.patience.renew()
        wait_s = WAIT_S if self._until is None else min(WAIT_S, int(self._left_s()))
        headers = {"Prefer": f"wait={wait_s}"} if wait_s > 0 else {}
        return Call("GET", self._path, _awaited, headers=headers, wait_s=wait_s)

    def pause_before_next(self, found: Awaited[Thing]) -> float:
        """The seconds to wait before the next call. Raises TimedOut."""
        if self._until is None:
            return found.pause_s
        if self._left_s() <= 0:
            raise TimedOut(f"{self._path} has not ended within {self._timeout_s} s. It goes on.")
        return min(found.pause_s, self._left_s())

    def _left_s(self) -> float:
        return (self._until or 0.0) - time.monotonic()


def ends_job(event: Event) -> bool:
    """Whether it is a job's last event."""
    return "job" in event


def ends_broadcast(event: Event) -> bool:
    """Whether it is a broadcast's last event."""
    return "broadcast" in event


def ends_conversation(event: Event) -> bool:
    """Whether it is the last event of a conversation's unfinished jobs."""
    return event.get("type") == "conversation.idle"


def _nothing(_: Reply) -> None:
    return None


def _awaited(reply: Reply) -> Awaited[Any]:
    thing = reply.json()
    ended = thing.get("status") not in UNFINISHED
    waited = "Preference-Applied" in reply.headers
    return Awaited(thing, ended, 0.0 if ended or waited else reply.retry_after or POLL_S)
