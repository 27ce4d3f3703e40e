"""A test for a nested test run: it has its own server, and never ends by itself."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded.service import Service
from deploy.embedded.supervisor import Supervisor

HERE = Path(os.environ["RUN_FOLDER"])


@pytest.fixture(scope="session")
def server() -> Iterator[Supervisor]:
    home = Path(tempfile.mkdtemp(prefix="home-", dir=HERE))
    with Supervisor(home, lambda name, line: None) as owner:
        owner.start([Service("server", ("sleep", "1000"), os.environ)])
        yield owner
        (HERE / f"{os.getpid()}.ending").touch()
        # A second interrupt would keep this from finishing.
        time.sleep(0.5)
    shutil.rmtree(home)


def test_it_leaves_handlers_of_its_own_behind() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)


def test_it_is_in_the_middle_of_something(server: Supervisor) -> None:
    # As the acceptance tests start the whole stack: no supervisor of this process knows it.
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    status = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout
    [ignored] = [line.split()[1] for line in status.splitlines() if line.startswith("SigIgn")]
    found = {"me": os.getpid(), "server": server.pid("server"), "child": child.pid}
    found["ignored"] = int(ignored, 16)
    draft = HERE / f"{os.getpid()}.draft"
    draft.write_text(json.dumps(found))
    draft.rename(draft.with_suffix(".json"))
    time.sleep(1000)
