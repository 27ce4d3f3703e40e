"""A supervisor in a separate process: `supervised.py WHAT HOME`."""

import os
import sys
from pathlib import Path

from deploy.embedded.backends import Backends
from deploy.embedded.service import Service
from deploy.embedded.supervisor import Supervisor

# A server that ends when asked, with two workers that do not.
FAMILY = "trap '' TERM; sleep 1000 & sleep 1001 & trap - TERM; wait"
STUBBORN = "trap '' TERM INT; echo here; while true; do sleep 1; done"


def services(what: str, home: Path) -> list[Service]:
    if what == "family":
        return [_shell("family", FAMILY)]
    if what == "stubborn":
        return [_shell("stubborn", STUBBORN)]
    backends = Backends(home, os.environ)
    return [*backends.services(), _shell("family", FAMILY, needs=backends.names())]


def _shell(name: str, script: str, needs: tuple[str, ...] = ()) -> Service:
    return Service(name, ("/bin/sh", "-c", script), environ=os.environ, needs=needs)


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    with Supervisor(folder) as supervisor:
        code = supervisor.main(services(sys.argv[1], folder))
    sys.exit(code)
