"""How processes share the tests: what one of them takes as a whole, and what comes first."""

import pytest
from xdist.scheduler import LoadScopeScheduling

# One process runs all of such a folder, since its tests share servers for the whole session; of
# the other folders it takes file by file.
WHOLE = (
    # It starts what it needs itself, and takes as long as the rest of its folder.
    "tests/integration/pipeline/test_deployment.py",
    "tests/chaos/",
    "tests/acceptance/",
    "tests/integration/pipeline/",
    "tests/integration/resilience/",
    "tests/integration/responses/",
    "tests/integration/compression/",
    "tests/cassettes/",
)
# The longest come first, so that no process is left alone with one of them at the end.
FIRST = (
    "tests/chaos/",
    "tests/integration/pipeline/test_deployment.py",
    "tests/integration/pipeline/",
    "tests/acceptance/",
    "tests/integration/",
)


class Sharing(LoadScopeScheduling):
    """Gives a process the next whole folder or file as soon as it is nearly done with its last."""

    def _split_scope(self, nodeid: str) -> str:
        return piece(nodeid)


def piece(nodeid: str) -> str:
    """The folder or file that is not divided."""
    whole = (folder for folder in WHOLE if nodeid.startswith(folder))
    return next(whole, nodeid.partition("::")[0])


def put_longest_first(items: list[pytest.Item]) -> None:
    """Order the tests by `FIRST`."""

    def place(item: pytest.Item) -> int:
        ahead = (i for i, folder in enumerate(FIRST) if item.nodeid.startswith(folder))
        return next(ahead, len(FIRST))

    items.sort(key=place)
