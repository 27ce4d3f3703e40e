"""The log of servers' outages: each cause once a minute, and the recovery once."""

import logging
import re
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

SAY_EVERY_S: Final = 60.0

log = structlog.get_logger(__name__)


@dataclass
class _Outage:
    since: float
    said: bool = False
    watchers: dict[str, float] = field(default_factory=dict)  # when each missed the server last


class Outages:
    """The servers that are unavailable to this process. Thread-safe."""

    def __init__(self, say: Any = log) -> None:
        self._say = say
        self._lock = threading.Lock()
        self._outages: dict[str, _Outage] = {}
        self._repeats = Repeats()

    def note(
        self, server: str, error: Exception, *, watcher: str | None = None, **more: Any
    ) -> None:
        """Record that a server did not serve; log it unless the cause was logged a minute ago.

        Args:
            server: `database`, `redis` or `broker`.
            error: its text, or that of its cause, tells causes apart.
            watcher: who will call `clear` once it has reached the server again; None: who does
                not ask regularly.
            more: belongs to the log line.
        """
        reason = str(error.__cause__ or error).strip().split("\n")[0]
        at = time.monotonic()
        with self._lock:
            outage = self._outages.setdefault(server, _Outage(at))
            if watcher is not None:
                outage.watchers[watcher] = at
            if not self._repeats.is_due((server, re.sub(r"\d+", "", reason))):
                return
            outage.said = True
        self._say.warning(f"{server} unavailable", error=reason, **more)

    def clear(self, server: str, watcher: str) -> None:
        """Record that a watcher has reached a server; log it once all watchers have."""
        if server not in self._outages:  # nearly always, so not worth a lock
            return
        at = time.monotonic()
        with self._lock:
            outage = self._outages.get(server)
            if outage is None:
                return
            outage.watchers.pop(watcher, None)
            # A watcher without a failure for this long has stopped.
            if any(at - missed_at < SAY_EVERY_S for missed_at in outage.watchers.values()):
                return
            del self._outages[server]
        if outage.said:
            self._say.warning(f"{server} is back", outage_s=round(at - outage.since, 1))


class Repeats:
    """What was logged within the last minute."""

    def __init__(self) -> None:
        self._said_at: dict[object, float] = {}

    def is_due(self, what: object) -> bool:
        """Whether this was not logged for a minute; if so, it counts as logged now."""
        at = time.monotonic()
        if at - self._said_at.get(what, -SAY_EVERY_S) < SAY_EVERY_S:
            return False
        self._said_at = {
            each: said_at for each, said_at in self._said_at.items() if at - said_at < SAY_EVERY_S
        }
        self._said_at[what] = at
        return True


class RepeatFilter(logging.Filter):
    """A filter: a library logs once a minute, not at every attempt, that it can't connect.

    `templates` are those of its messages; without any, it is everything that it logs.
    """

    def __init__(self, *templates: str) -> None:
        super().__init__()
        self._templates = templates
        self._repeats = Repeats()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to let a record through."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        said = [each for each in (record.msg, *arguments[:1]) if self._is_meant(each)]
        return not said or self._repeats.is_due(said[0])

    def _is_meant(self, template: object) -> bool:
        return not self._templates or template in self._templates


outages: Final = Outages()
