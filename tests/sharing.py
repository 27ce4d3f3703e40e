"""How processes share the tests: which ones stay together, and in which order they run."""

import fcntl
import tempfile
from itertools import chain
from pathlib import Path
from typing import IO

import pytest
from xdist.scheduler import LoadScopeScheduling

# One process runs all of such a folder, since its tests share servers for the session; of
# the other folders it takes file by file.
WHOLE = (
    # It starts its own servers, and takes as long as the rest of its folder.
    "tests/integration/pipeline/test_deployment.py",
    "tests/acceptance/",
    "tests/integration/pipeline/",
    "tests/integration/resilience/",
    "tests/integration/responses/",
    "tests/integration/tracing/",
    "tests/integration/client/",
    "tests/integration/compression/",
    "tests/cassettes/",
    # It loads the openai package, which takes longer than its tests.
    "tests/unit/app/openai/",
)
# Any process may run any test of such a file: each takes long, and shares little with the others.
DIVIDED = ("tests/integration/models/test_protocol.py",)
# The longest come first, so that no process has one of them left at the end.
FIRST = (
    "tests/integration/pipeline/test_deployment.py",
    "tests/integration/pipeline/",
    "tests/acceptance/",
    "tests/integration/api/schema/",
    "tests/integration/",
)
# They measure how the whole stack recovers under load, and mostly wait: they come last, when
# nothing else runs. The groups run side by side, each in one process, in this order; what keeps
# both cores busy comes first, beside what measures no time. The tests of the second group have
# stacks of their own, and each of the other groups shares one.
ALONE = (
    ("tests/chaos/test_webhooks.py", "tests/chaos/test_provider.py", "tests/chaos/test_streams.py"),
    (
        *("tests/chaos/test_without_faults.py", "tests/chaos/test_rabbitmq.py"),
        *("tests/chaos/test_control.py", "tests/chaos/test_shares.py"),
    ),
    ("tests/chaos/test_crash_points.py", "tests/chaos/"),
)
# Before those, the shortest, so that all processes come to the end at the same time.
LAST = ("tests/unit/", *chain(*ALONE))


class Sharing(LoadScopeScheduling):
    """Assigns the next group, folder or file to a process that is almost done with its last."""

    def _split_scope(self, nodeid: str) -> str:
        return piece(nodeid)


class Alone:
    """Keeps the tests of `ALONE` waiting until no process has any other test to run.

    Each process holds a shared lock from its start until it comes to the first of them.
    """

    def __init__(self, run: str) -> None:
        self._path = Path(tempfile.gettempdir(), f"trimind-tests-{run}.lock")
        self._lock: IO[bytes] | None = self._path.open("ab+")
        # Other than those of flock, these locks are not shared with forked children.
        fcntl.lockf(self._lock, fcntl.LOCK_SH)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        if self._lock is not None and item.nodeid.startswith(tuple(chain(*ALONE))):
            fcntl.lockf(self._lock, fcntl.LOCK_UN)
            fcntl.lockf(self._lock, fcntl.LOCK_EX)
            self._release()

    def pytest_unconfigure(self) -> None:
        self._release()
        self._path.unlink(missing_ok=True)

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def piece(nodeid: str) -> str:
    """The group, folder, file or test that stays in one process."""
    alone = (group[0] for group in ALONE if nodeid.startswith(group))
    whole = (folder for folder in WHOLE if nodeid.startswith(folder))
    file = nodeid if nodeid.startswith(DIVIDED) else nodeid.partition("::")[0]
    return next(chain(alone, whole), file)


def put_in_order(items: list[pytest.Item]) -> None:
    """Sort the tests into `FIRST`, all others, and `LAST`; each group keeps its order."""
    groups = dict(enumerate(FIRST)) | dict(enumerate(LAST, len(FIRST) + 1))

    def place(item: pytest.Item) -> int:
        found = (at for at, group in groups.items() if item.nodeid.startswith(group))
        return next(found, len(FIRST))

    items.sort(key=place)
