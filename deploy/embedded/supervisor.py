"""Starts services when what they need is healthy, keeps them alive, and ends them all.

One thread does everything, in short looks at every service; only the logs have threads.
"""

import queue
import signal
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType, TracebackType

from deploy.embedded.console import Console
from deploy.embedded.errors import EmbeddedError, HomeUnusableError, StopRequestedError
from deploy.embedded.home import HomeLock, check_room, prepare_home
from deploy.embedded.reaper import Reaper
from deploy.embedded.service import Service
from deploy.embedded.sessions import end_all
from deploy.embedded.status import leftovers, write_services
from deploy.embedded.unit import Log, Unit

STOP_WITHIN_S = 28  # all of it; a PaaS kills after 30
_LEFTOVERS_WITHIN_S = 20
_STARTING_LOOK_S = 0.03
_RUNNING_LOOK_S = 0.2
_ROOM_LOOK_S = 10.0
# PostgreSQL needs the room of one more file of its write-ahead log.
LEAST_ROOM_BYTES = 16 * 2**20
# Wrappers pass a terminal's SIGINT on, so that it comes twice at once: that is not impatience.
_IMPATIENCE_S = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Owns a data folder and the services on it; a context manager that stops what it started.

    Args:
        home: the data folder; created if needed, and locked from enter to exit.
        log: gets (service's name, line) from several threads; the screen by default.

    Raises (on enter):
        HomeInUseError: another supervisor has the folder.
        HomeUnusableError: it cannot be created.
    """

    def __init__(self, home: Path, log: Log | None = None) -> None:
        self.home = home
        self._log = Console() if log is None else log
        self._units: dict[str, Unit] = {}
        self._exits = ExitStack()
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()  # safe in a signal handler
        self._asked_at: float | None = None
        self._hurried = False
        self._written: list[object] = []
        self._room_seen_at = -_ROOM_LOOK_S
        self._told_of_room = False

    def __enter__(self) -> "Supervisor":
        prepare_home(self.home)
        with ExitStack() as exits:
            lock = exits.enter_context(HomeLock(self.home))
            # Only if a supervisor and its reaper were both killed is there anything left.
            end_all(leftovers(self.home), within_s=_LEFTOVERS_WITHIN_S)
            self._reaper = Reaper(lock.descriptor)
            exits.callback(self._reaper.done)
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._exits:
            self.stop()

    def main(self, services: Iterable[Service]) -> int:
        """Runs the services until a signal (0) or until one cannot be kept alive (1).

        SIGINT, SIGTERM and SIGHUP stop everything in order, within 30 s; another SIGINT, a second
        later or more, kills what is left.
        Call it on the main thread, instead of `start`, inside the `with`.
        """
        self.handle_signals()
        try:
            self.start(services)
            self.run()
        except StopRequestedError:
            pass
        except EmbeddedError as error:
            for line in str(error).splitlines():
                self._log("trimind", line)
            return 1
        finally:
            self.stop()
        return 0

    def handle_signals(self) -> None:
        """Turns the three signals into a request to stop; needs the main thread."""
        for number in _SIGNALS:
            # nohup stays nohup; but a shell's background job, which ignores SIGINT, ends by it.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def start(self, services: Iterable[Service]) -> None:
        """Starts services in the order of their needs and returns when all are healthy or done.

        Raises:
            ServiceFailedError: one ended or was late; the others run on until `stop`.
            StopRequestedError: a signal came.
            ValueError: a name comes twice, or a need is unknown or circular.
        """
        new = [Unit(service, self._log) for service in services]
        self._add(new)
        while not all(unit.state in ("healthy", "done") for unit in new):
            self.look()
            self._pause(_STARTING_LOOK_S)

    def run(self) -> None:
        """Keeps the services alive until a signal comes.

        Raises:
            ServiceFailedError: one died five times within a minute, or was not ready again in time.
        """
        while self._asked_at is None:
            self.look()
            self.look_at_room()
            self._reaper.check()
            try:
                self._pause(_RUNNING_LOOK_S)
            except StopRequestedError:
                return

    def stop(self) -> None:
        """Ends every service, what needs it first, within 30 s; kills what does not end."""
        deadline = time.monotonic() + STOP_WITHIN_S
        if any(unit.status().pid is not None for unit in self._units.values()):
            self._log("trimind", "stopping")
        while not self._stopped(now=self._hurried or time.monotonic() >= deadline):
            self._wait(_STARTING_LOOK_S)

    def kill(self, name: str) -> None:
        """Kills a service's whole session, as a fault would; it stays down until `restart`."""
        unit = self._units[name]
        unit.kill()
        while not unit.finish_stop(now=True):
            self._wait(_STARTING_LOOK_S)
        self._record()

    def restart(self, name: str) -> None:
        """Stops a service if it runs, starts it, and returns when it is healthy again.

        Raises:
            ServiceFailedError: it ended or was late.
        """
        unit = self._units[name]
        unit.begin_stop()
        while not unit.finish_stop(now=False):
            self._wait(_STARTING_LOOK_S)
        self._launch(unit)
        while unit.state != "healthy":
            self.look()
            self._pause(_STARTING_LOOK_S)

    def pid(self, name: str) -> int | None:
        """The process id of a service, None while it has no process."""
        return self._units[name].status().pid

    def _add(self, new: list[Unit]) -> None:
        known = set(self._units)
        for unit in new:
            if unit.service.name in known:
                raise ValueError(f"two services are named {unit.service.name}")
            known.add(unit.service.name)
        _check_needs([unit.service for unit in new], set(self._units))
        for unit in new:
            self._units[unit.service.name] = unit
            if unit.service.scratch is not None:
                self._reaper.remove(unit.service.scratch)

    def look(self) -> None:
        """One look at every service: starts, restarts, records; `start` and `run` do it for you.

        Raises:
            ServiceFailedError: as they do.
        """
        for unit in self._units.values():
            unit.look()
            begins = unit.state == "waiting" and self._needs_met(unit)
            if begins or unit.may_start_again():
                self._launch(unit)
        self._record()

    def look_at_room(self, least: int = LEAST_ROOM_BYTES) -> None:
        """Says so once where the folder's disk has less than `least` bytes left, until it has more.

        The services wait meanwhile: PostgreSQL and Redis refuse what they can't write.
        """
        if time.monotonic() < self._room_seen_at + _ROOM_LOOK_S:
            return
        self._room_seen_at = time.monotonic()
        try:
            check_room(self.home, least)
        except HomeUnusableError as error:
            if not self._told_of_room:
                self._log("trimind", str(error))
            self._told_of_room = True
        else:
            self._told_of_room = False

    def _needs_met(self, unit: Unit) -> bool:
        return all(self._units[name].state in ("healthy", "done") for name in unit.service.needs)

    def _launch(self, unit: Unit) -> None:
        if unit.process is not None:
            self._reaper.forget(unit.process.session)
        self._reaper.watch(unit.launch())

    def _stopped(self, *, now: bool) -> bool:
        running = [unit for unit in self._units.values() if not unit.finish_stop(now=False)]
        needed = {name for unit in running for name in unit.service.needs}
        for unit in running:
            if now or unit.service.name not in needed:
                unit.begin_stop()
                unit.finish_stop(now=now)
        self._record()
        return not running

    def _record(self) -> None:
        statuses = [unit.status() for unit in self._units.values()]
        if statuses != self._written:
            self._written = list(statuses)
            try:
                write_services(self.home, statuses)
            except OSError as error:  # a full disk: what runs goes on, and `trimind status` is late
                self._log("trimind", str(HomeUnusableError.by(self.home, error)))

    def _pause(self, seconds: float) -> None:
        self._wait(seconds)
        if self._asked_at is not None:
            raise StopRequestedError("asked to stop")

    def _wait(self, seconds: float) -> None:
        try:
            number = self._signals.get(timeout=seconds)
        except queue.Empty:
            return
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
        elif number == signal.SIGINT and now - self._asked_at >= _IMPATIENCE_S:
            self._hurried = True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals.put(number)


def _check_needs(services: list[Service], met: set[str]) -> None:
    left = {service.name: service for service in services}
    while left:
        ready = [name for name, service in left.items() if met.issuperset(service.needs)]
        if not ready:
            unmet = {name: service.needs for name, service in left.items()}
            raise ValueError(f"needs that are unknown or go in a circle: {unmet}")
        met.update(ready)
        for name in ready:
            del left[name]
