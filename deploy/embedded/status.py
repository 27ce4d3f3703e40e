"""The services on a data folder, published to other processes as run/services.json."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from deploy.embedded.home import run_folder, write_private
from deploy.embedded.service import State
from deploy.embedded.sessions import Identity, Session, boot_id


@dataclass(frozen=True)
class ServiceStatus:
    """A service as the supervisor last saw it; pid and start time are None without a process."""

    name: str
    state: State
    pid: int | None
    started: int | None
    stop_signal: int
    url: str | None

    def session(self) -> Session | None:
        """The session of its process, if it had one."""
        if self.pid is None or self.started is None:
            return None
        return Session(Identity(self.pid, self.started), self.stop_signal)


def write_services(home: Path, statuses: Iterable[ServiceStatus]) -> None:
    """Replace the file atomically."""
    written = {"boot_id": boot_id(), "services": [asdict(status) for status in statuses]}
    write_private(run_folder(home) / "services.json", json.dumps(written, indent=1))


def read_services(home: Path) -> list[ServiceStatus]:
    """The services of the data folder; one whose process is gone is `dead`.

    Empty if nothing has ever run. Needs no lock.
    """
    return [
        status if status.pid is None or _alive(status) else replace(status, state="dead")
        for status in _recorded(home)
    ]


def leftovers(home: Path) -> list[Session]:
    """Sessions of an earlier run that still have members; call only while the folder is locked."""
    sessions = [status.session() for status in _recorded(home)]
    return [session for session in sessions if session is not None and session.members()]


def _recorded(home: Path) -> list[ServiceStatus]:
    try:
        written = json.loads((run_folder(home) / "services.json").read_text())
    except FileNotFoundError:
        return []
    if written["boot_id"] != boot_id():  # the process ids are from before a reboot
        written["services"] = [{**one, "started": -1} for one in written["services"]]
    return [ServiceStatus(**one) for one in written["services"]]


def _alive(status: ServiceStatus) -> bool:
    session = status.session()
    return session is not None and session.leader.alive()
