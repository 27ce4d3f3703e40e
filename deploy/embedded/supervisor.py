"""The supervisor: starts services in the order of their needs, restarts them, and stops them all.

One thread polls every service; only the logs have threads.
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

STOP_WITHIN_S = 28  # for all services; a PaaS kills after 30
_LEFTOVERS_WITHIN_S = 20
_STARTING_POLL_S = 0.03
_RUNNING_POLL_S = 0.2
_ROOM_POLL_S = 10.0
# PostgreSQL needs room for one more file of its write-ahead log.
LEAST_ROOM_BYTES = 16 * 2**20
# Wrappers forward a terminal's SIGINT, so that it arrives twice at once: that is not impatience.
_IMPATIENCE_S = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """The owner of a data folder and its services; a context manager that stops what it started.

    Args:
        home: the data folder; created if needed, and locked from enter to exit.
        log: called with (service's name, line) from several threads; the console by default.

    Raises (on enter):
        HomeInUseError: another supervisor uses the folder.
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
        self._room_seen_at = -_ROOM_POLL_S
        self._room_logged = False

    def __enter__(self) -> "Supervisor":
        prepare_home(self.home)
        with ExitStack() as exits:
            lock = exits.enter_context(HomeLock(self.home))
            # Something is left only if a supervisor and its reaper were both killed.
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
        """Run the services until a signal (0) or until one keeps failing (1).

        SIGINT, SIGTERM and SIGHUP stop everything in order, within 30 s; another SIGINT, at least a
        second later, kills what is left.
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
        """Turn the three signals into a request to stop; requires the main thread."""
        for number in _SIGNALS:
            # SIGHUP stays ignored under nohup; SIGINT works even in a shell's background job.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def start(self, services: Iterable[Service]) -> None:
        """Start services in the order of their needs; return when all are healthy or done.

        Raises:
            ServiceFailedError: one exited or was late; the others run until `stop`.
            StopRequestedError: a signal arrived.
            ValueError: a name is repeated, or a need is unknown or circular.
        """
        new = [Unit(service, self._log) for service in services]
        self._add(new)
        while not all(unit.state in ("healthy", "done") for unit in new):
            self.poll()
            self._pause(_STARTING_POLL_S)

    def run(self) -> None:
        """Restart crashed services until a signal arrives.

        Raises:
            ServiceFailedError: one crashed five times within a minute, or was not ready in time.
        """
        while self._asked_at is None:
            self.poll()
            self.poll_room()
            self._reaper.check()
            try:
                self._pause(_RUNNING_POLL_S)
            except StopRequestedError:
                return

    def stop(self) -> None:
        """Stop every service after those that need it, within 30 s; kill what does not stop."""
        deadline = time.monotonic() + STOP_WITHIN_S
        if any(unit.status().pid is not None for unit in self._units.values()):
            self._log("trimind", "stopping")
        while not self._stopped(now=self._hurried or time.monotonic() >= deadline):
            self._wait(_STARTING_POLL_S)

    def kill(self, name: str) -> None:
        """Kill a service's whole session, as a fault would; it stays down until `restart`."""
        unit = self._units[name]
        unit.kill()
        while not unit.finish_stop(now=True):
            self._wait(_STARTING_POLL_S)
        self._record()

    def restart(self, name: str) -> None:
        """Stop a service if it runs, start it, and return when it is healthy.

        Raises:
            ServiceFailedError: it exited or was late.
        """
        unit = self._units[name]
        unit.begin_stop()
        while not unit.finish_stop(now=False):
            self._wait(_STARTING_POLL_S)
        self._launch(unit)
        while unit.state != "healthy":
            self.poll()
            self._pause(_STARTING_POLL_S)

    def pid(self, name: str) -> int | None:
        """The process id of a service; None while it has no process."""
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

    def poll(self) -> None:
        """Check every service once: start, restart and record; `start` and `run` call this.

        Raises:
            ServiceFailedError: as they do.
        """
        for unit in self._units.values():
            unit.poll()
            starts = unit.state == "waiting" and self._needs_met(unit)
            if starts or unit.may_restart():
                self._launch(unit)
        self._record()

    def poll_room(self, least: int = LEAST_ROOM_BYTES) -> None:
        """Log once, until there is more, that the folder's disk has less than `least` bytes free.

        The services wait meanwhile: PostgreSQL and Redis refuse what they can't write.
        """
        if time.monotonic() < self._room_seen_at + _ROOM_POLL_S:
            return
        self._room_seen_at = time.monotonic()
        try:
            check_room(self.home, least)
        except HomeUnusableError as error:
            if not self._room_logged:
                self._log("trimind", str(error))
            self._room_logged = True
        else:
            self._room_logged = False

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
            except OSError as error:  # a full disk: services continue, `trimind status` is outdated
                self._log("trimind", str(HomeUnusableError.by(self.home, error)))

    def _pause(self, seconds: float) -> None:
        self._wait(seconds)
        if self._asked_at is not None:
            raise StopRequestedError("stop requested")

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
            raise ValueError(f"needs are unknown or circular: {unmet}")
        met.update(ready)
        for name in ready:
            del left[name]
