"""The callers that wait in this process, so that a retry sees at once that an earlier one has gone.

The task that waits on a caller's behalf records its departure (`abandon_call`) a moment later; a
retry without a pause comes before that.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from models.open_calls import Caller


@dataclass(frozen=True, eq=False)
class Watch:
    """A waiting caller. It is watched for as long as this object lives."""

    caller: Caller
    user_id: str
    fingerprint: bytes
    has_gone: Callable[[], bool]


_watches: Final[WeakValueDictionary[UUID, Watch]] = WeakValueDictionary()


def watch(caller: Caller, user_id: str, fingerprint: bytes, has_gone: Callable[[], bool]) -> Watch:
    """Watch a caller for as long as the returned watch is kept."""
    made = Watch(caller, user_id, fingerprint, has_gone)
    _watches[caller.token] = made
    return made


def gone_callers(user_id: str, fingerprint: bytes) -> Iterator[Caller]:
    """Yield the callers of the same call that have disconnected without their answer."""
    for each in list(_watches.values()):
        if each.fingerprint == fingerprint and each.user_id == user_id and each.has_gone():
            yield each.caller
