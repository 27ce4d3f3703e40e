"""A supervised service: its process, its state, and its crashes."""

import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from deploy.embedded.errors import ServiceFailedError
from deploy.embedded.process import Process
from deploy.embedded.service import Service, State
from deploy.embedded.sessions import Session
from deploy.embedded.status import ServiceStatus

MAX_CRASHES = 5
CRASHES_WITHIN_S = 60
_BACKOFF_S = (0.25, 0.5, 1, 2)

Log = Callable[[str, str], None]


class Unit:
    """The state machine of one service, independent of the others.

    waiting -> starting -> healthy -> stopping -> stopped; a crash while healthy leads through
    restarting back to starting; a service that runs once is done instead of healthy.
    """

    def __init__(self, service: Service, log: Log) -> None:
        self.service = service
        self.state: State = "waiting"
        self.process: Process | None = None
        self._log = log
        self._crashes: deque[float] = deque(maxlen=MAX_CRASHES)
        self._has_been_healthy = False
        self._due = 0.0  # when it must be ready, may start again, or is killed

    def launch(self) -> Session:
        """Start the process."""
        service = self.service
        self.process = Process(
            service.arguments(),
            environ=service.environ,
            on_line=lambda line: self._log(service.name, line),
            stop_signal=service.stop_signal,
            user=service.user,
            cwd=service.cwd,
        )
        self.state = "starting"
        self._due = time.monotonic() + service.ready_within_s
        return self.process.session

    def poll(self) -> None:
        """Check whether it has become ready, or has died.

        Raises:
            ServiceFailedError: it did not become ready, or crashed five times within a minute.
        """
        if self.process is None or self.state not in ("starting", "healthy"):
            return
        code = self.process.exit_code()
        if code is not None:
            self._ended(self.process, code)
        elif self.state == "starting" and not self.service.once and self.service.ready():
            self.state = "healthy"
            self._has_been_healthy = True
        elif self.state == "starting" and time.monotonic() >= self._due:
            self._late(self.process)

    def may_restart(self) -> bool:
        """Whether the backoff is over and no process of the crashed run is left."""
        if self.state != "restarting" or time.monotonic() < self._due:
            return False
        return self.process is None or self.process.gone()

    def begin_stop(self) -> None:
        """Send the stop signal; the grace period begins."""
        if self.state in ("stopping", "stopped", "done"):
            return
        self.state = "stopping"
        self._due = time.monotonic() + self.service.stop_grace_s
        if self.process is not None:
            self.process.ask_to_end()

    def kill(self) -> None:
        """Kill the session; this counts as a stop, not as a crash."""
        self.state = "stopping"
        if self.process is not None:
            self.process.kill()

    def finish_stop(self, *, now: bool) -> bool:
        """Whether no process is left; kills the session after the grace period, or `now`."""
        if self.state in ("stopped", "done"):
            return True
        if self.process is not None and not self.process.gone():
            if now or (self.state == "stopping" and time.monotonic() >= self._due):
                self.process.kill()
            return False
        self.state = "stopped"
        return True

    def status(self) -> ServiceStatus:
        """The service's status for other processes."""
        running = self.process is not None and self.state not in ("stopped", "done")
        identity = self.process.identity if self.process is not None and running else None
        return ServiceStatus(
            name=self.service.name,
            state=self.state,
            pid=identity.pid if identity else None,
            started=identity.started if identity else None,
            stop_signal=int(self.service.stop_signal),
            url=self.service.url,
        )

    def _ended(self, process: Process, code: int) -> None:
        how = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
        if self.service.once and code == 0:
            self.state = "done"
        elif self._has_been_healthy:
            self._crashed(process, how)
        else:
            self._fail(process, f"{how} before it was ready")

    def _late(self, process: Process) -> None:
        late = f"was not ready within {self.service.ready_within_s:g} s"
        if not self._has_been_healthy:
            self._fail(process, late)
        process.kill()
        self._crashed(process, late)

    def _crashed(self, process: Process, how: str) -> None:
        now = time.monotonic()
        self._crashes.append(now)
        if len(self._crashes) == MAX_CRASHES and now - self._crashes[0] <= CRASHES_WITHIN_S:
            crashes = f"{MAX_CRASHES} crashes within {CRASHES_WITHIN_S} s"
            self._fail(process, f"{how}: {crashes}, giving up")
        pause = _BACKOFF_S[min(len(self._crashes), len(_BACKOFF_S)) - 1]
        self._log("trimind", f"{self.service.name} {how}; restarting in {pause:g} s")
        self.state = "restarting"
        self._due = now + pause

    def _fail(self, process: Process, reason: str) -> NoReturn:
        self.state = "dead"
        raise ServiceFailedError(self.service.name, reason, process.last_lines())
