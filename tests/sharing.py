"""How processes share the tests: which ones stay together, and in which order they run."""

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

# One process runs all of such a folder, since its tests share servers for the session; of
# the other folders it takes file by file.
WHOLE = (
    # It starts its own servers, and takes as long as the rest of its folder.
    "tests/integration/pipeline/test_deployment.py",
    "tests/chaos/",
    "tests/acceptance/",
    "tests/integration/pipeline/",
    "tests/integration/resilience/",
    "tests/integration/responses/",
    "tests/integration/compression/",
    "tests/cassettes/",
)
# Any process may run any test of such a file: each takes long, and shares little with the others.
DIVIDED = ("tests/integration/models/test_protocol.py",)
# The longest come first, so that no process has one of them left at the end.
ORDER = (
    "tests/integration/pipeline/test_deployment.py",
    "tests/integration/pipeline/",
    "tests/acceptance/",
    "tests/integration/api/schema/",
    "tests/integration/",
)
# They measure how the whole stack recovers under load: nothing may run beside them. They
# come last, in the only process that is left by then.
ALONE = ("tests/chaos/",)


class Sharing(LoadScopeScheduling):
    """Assigns the next folder or file to a process that is almost done with its last."""

    def remove_node(self, node: WorkerController) -> str | None:
        crashed = super().remove_node(node)
        for other in self.nodes:
            self._reschedule(other)
        return crashed

    def _split_scope(self, nodeid: str) -> str:
        return piece(nodeid)

    def _reschedule(self, node: WorkerController) -> None:
        others = [other for other in self.nodes if other is not node]
        if not self._loner_is_next() or not others:
            super()._reschedule(node)
        elif not all(other.shutting_down for other in others):
            node.shutdown()

    def _assign_work_unit(self, node: WorkerController) -> None:
        if not self._loner_is_next() or len(self.nodes) == 1:
            super()._assign_work_unit(node)

    def _loner_is_next(self) -> bool:
        return next(iter(self.workqueue), "") in ALONE


def piece(nodeid: str) -> str:
    """The folder, file or test that stays in one process."""
    whole = (folder for folder in WHOLE if nodeid.startswith(folder))
    return next(whole, nodeid if nodeid.startswith(DIVIDED) else nodeid.partition("::")[0])


def put_in_order(items: list[pytest.Item]) -> None:
    """Sort the tests into `ORDER`, all others, and `ALONE`; each group keeps its order."""

    def place(item: pytest.Item) -> int:
        if item.nodeid.startswith(ALONE):
            return len(ORDER) + 1
        ahead = (i for i, folder in enumerate(ORDER) if item.nodeid.startswith(folder))
        return next(ahead, len(ORDER))

    items.sort(key=place)
