"""Who waits in this process for an answer, so that it is known at once when he goes.

That he has gone is noted with his call (`abandon_call`) a moment later, by who waits for him.
Whoever sends the same again without a pause comes before that.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from models.open_calls import Caller


@dataclass(frozen=True, eq=False)
class Watch:
    """A caller who waits, for as long as this object lives."""

    caller: Caller
    user_id: str
    fingerprint: bytes
    has_gone: Callable[[], bool]


_watches: Final[WeakValueDictionary[UUID, Watch]] = WeakValueDictionary()


def watch(caller: Caller, user_id: str, fingerprint: bytes, has_gone: Callable[[], bool]) -> Watch:
    """Watch a caller; whoever waits for him keeps the watch."""
    made = Watch(caller, user_id, fingerprint, has_gone)
    _watches[caller.token] = made
    return made


def gone_callers(user_id: str, fingerprint: bytes) -> Iterator[Caller]:
    """The callers of a call with this body who have gone without their answer."""
    for each in list(_watches.values()):
        if each.fingerprint == fingerprint and each.user_id == user_id and each.has_gone():
            yield each.caller
