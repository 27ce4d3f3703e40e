"""The identity of a process, and the processes of a session: read from /proc (Linux only).

A process id alone proves nothing, since ids are reused; together with a start time it does. The
id of a session is not reused while any member of it is alive.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.05
_GONE = "ZX"  # a zombie is dead: only its parent has not reaped it yet


@dataclass(frozen=True)
class Identity:
    """A process id with its start time in clock ticks since boot."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Identity":
        """The process that has this id now.

        Raises:
            ProcessLookupError: there is none.
        """
        stat = _stat(pid)
        if stat is None:
            raise ProcessLookupError(pid)
        return cls(pid, stat.started)

    def alive(self) -> bool:
        """Whether this process is still running."""
        stat = _stat(self.pid)
        return stat is not None and stat.started == self.started and stat.state not in _GONE


@dataclass(frozen=True)
class Session:
    """A service's session: its leader, and the leader's stop signal."""

    leader: Identity
    stop_signal: int = signal.SIGTERM

    def members(self) -> list[int]:
        """The ids of all living processes of the session, and of their descendants.

        Descendants count, since PostgreSQL's processes start their own sessions.
        """
        stats = _stats()
        leader = stats.get(self.leader.pid)
        if leader is not None and leader.started != self.leader.started:
            return []  # the id has been reused, so the session is over
        of = self.leader.pid
        found = {pid for pid, stat in stats.items() if of in (pid, stat.session)}
        while children := {pid for pid, stat in stats.items() if stat.parent in found} - found:
            found |= children
        return [pid for pid in found if stats[pid].state not in _GONE]

    def family(self) -> set[Identity]:
        """The members by identity: those with their own sessions are lost if a parent dies."""
        found = set()
        for pid in self.members():
            with suppress(ProcessLookupError):
                found.add(Identity.of(pid))
        return found

    def ask_to_end(self) -> None:
        """Send the stop signal to the leader only, which stops its children."""
        if self.leader.alive():
            send(self.leader.pid, self.stop_signal)

    def kill_orphans(self) -> None:
        """Kill the members that have outlived the leader."""
        if not self.leader.alive():
            self.kill()

    def kill(self) -> None:
        """Send SIGKILL to every member."""
        for pid in self.members():
            send(pid, signal.SIGKILL)


def end_all(sessions: Iterable[Session], within_s: float, kill_within_s: float = 5) -> bool:
    """Stop every session, and kill those that don't stop in time.

    Args:
        within_s: seconds for all sessions together to stop gracefully.
        kill_within_s: seconds to wait for killed processes to disappear.

    Returns:
        Whether no process is left.
    """
    asked = list(sessions)
    families = {member for session in asked for member in session.family()}
    for session in asked:
        session.ask_to_end()
    left = _wait_for_end(asked, within_s, Session.kill_orphans)
    left += [Session(member) for member in families if member.alive()]
    return not _wait_for_end(left, kill_within_s, Session.kill)


def _wait_for_end(
    sessions: list[Session], within_s: float, press: Callable[[Session], None]
) -> list[Session]:
    deadline = time.monotonic() + within_s
    while True:
        for session in sessions:
            press(session)
        sessions = [session for session in sessions if session.members()]
        if not sessions or time.monotonic() >= deadline:
            return sessions
        time.sleep(POLL_S)


def send(pid: int, number: int) -> None:
    """Send a signal; ignore a process that is already gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def boot_id() -> str:
    """The id of the machine's current boot: start times of another boot are meaningless."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True)
class _Stat:
    state: str
    parent: int
    session: int
    started: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name is in parentheses and may contain anything, including parentheses and spaces.
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(fields[0], parent=int(fields[1]), session=int(fields[3]), started=int(fields[19]))


def _stats() -> dict[int, _Stat]:
    found = {int(name): _stat(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    return {pid: stat for pid, stat in found.items() if stat is not None}
