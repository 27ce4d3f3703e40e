"""The access under which streams and waits are open, and what ends them with it.

A key may be revoked, a session or a JWT end, and a user be deleted, while a stream is open. The
process is notified of a revocation, and asks the database about all of its open streams every few
seconds besides.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from typing import Final

from flask import g

from app.auth.key_cache import known_keys
from app.http.deferred import until_sent
from config.once import once
from config.outages import outages
from models.access import KINDS, still_granted
from models.errors import DatabaseUnavailable, Unauthorized
from models.grants import Grant
from models.session import statements
from tasks.events.revocations import user_of

ENDED: Final = (
    "Your access has ended: the key was revoked, the key, session or token has expired, or the "
    "user was deleted."
)

End = Callable[[], object]


class Access:
    """What one stream or wait was opened with. Thread-safe."""

    def __init__(self, grant: Grant) -> None:
        self.user_id = grant.user_id
        known = (grant.user_id, grant.credential, grant.origin)
        self.ids = frozenset(each for each in known if each and each.startswith(KINDS))
        self.ended = False
        self._grant = grant
        self._lock = threading.Lock()
        self._calls: set[End] = set()

    def require(self) -> None:
        """Raise Unauthorized if it has ended."""
        if self.ended:
            raise Unauthorized(ENDED)

    def end(self) -> None:
        """End it, and what waits under it."""
        with self._lock:
            self.ended = True
            calls = list(self._calls)
        for call in calls:
            call()

    @contextmanager
    def calling(self, call: End) -> Iterator[None]:
        """Call this when the access ends, or at once if it has; on an event loop, which is what
        notices its expiry."""
        with self._lock:
            self._calls.add(call)
            ended = self.ended
        if ended:
            call()
        left_s = self._grant.left_s
        expiry = None
        if left_s is not None:
            expiry = asyncio.get_running_loop().call_later(left_s, self.end)
        try:
            yield
        finally:
            if expiry is not None:
                expiry.cancel()
            with self._lock:
                self._calls.discard(call)


class OpenAccesses:
    """The accesses under which something is open in this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, set[Access]] = {}

    @contextmanager
    def held(self, access: Access) -> Iterator[None]:
        """Keep an access among them."""
        with self._lock:
            self._of.setdefault(access.user_id, set()).add(access)
        try:
            yield
        finally:
            with self._lock:
                mine = self._of[access.user_id]
                mine.discard(access)
                if not mine:
                    del self._of[access.user_id]

    def check(self, user_id: str | None = None) -> None:
        """End those that the database no longer grants: a user's, or without one, of all."""
        open_now = [access for access in self._found(user_id) if not access.ended]
        if not open_now:
            return
        ids = frozenset[str]().union(*(access.ids for access in open_now))
        try:
            with statements() as connection:
                granted = still_granted(connection, ids)
        except DatabaseUnavailable as error:
            outages.note("database", error)
            return
        for access in open_now:
            if not access.ids <= granted:
                access.end()

    def _found(self, user_id: str | None) -> Collection[Access]:
        with self._lock:
            if user_id is not None:
                return list(self._of.get(user_id, ()))
            return [access for mine in self._of.values() for access in mine]


@once
def open_accesses() -> OpenAccesses:
    """Those of this process."""
    return OpenAccesses()


_current: Final[ContextVar[Access | None]] = ContextVar("access", default=None)


def hold_access() -> Access:
    """The access of this request, which is looked at until its response was sent."""
    access: Access | None = g.get("access")
    if access is None:
        access = g.access = Access(g.grant)
        until_sent(open_accesses().held(access))
    return access


def wait_under(access: Access) -> None:
    """Let what this task waits for from now on end with the access."""
    _current.set(access)


async def lines_under(
    access: Access, lines: AsyncGenerator[str, None], last: str = ""
) -> AsyncGenerator[str, None]:
    """The lines of a stream that ends with its access, and then one to say so."""
    wait_under(access)
    async with aclosing(lines):
        async for line in lines:
            yield line
            if access.ended and last:
                break
    if access.ended and last:
        yield last


@contextmanager
def ending_with_access(end: End) -> Iterator[None]:
    """Call `end` if the access ends under which this task waits."""
    access = _current.get()
    if access is None:
        yield
        return
    with access.calling(end):
        yield


def hear_revocation(message: object) -> None:
    """Look up again what a user may do, whose access has changed."""
    user_id = user_of(message)
    known_keys().clear(user_id)
    open_accesses().check(user_id)
