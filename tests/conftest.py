"""What every test may use."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings

# A machine that is busy makes no property false: what takes how long is measured in bench/.
settings.register_profile("trimind", deadline=None)
settings.load_profile("trimind")

DEADLINE_S = 30.0


def wait_until(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    """Look until the condition holds; fail, naming it, when the deadline has passed."""
    end = time.monotonic() + deadline_s
    pause = 0.01
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{condition} did not hold within {deadline_s:.0f} s")
        time.sleep(pause)
        pause = min(0.2, pause * 1.5)


@pytest.fixture
def until() -> Callable[..., None]:
    """`until(condition, deadline_s)`: wait for a condition, never for a time."""
    return wait_until


@pytest.fixture
def together() -> Callable[..., list[object]]:
    """`together(n, work)`: what `work` returns to n threads that start at the same moment."""

    def run(count: int, work: Callable[[], object]) -> list[object]:
        gate = threading.Barrier(count, timeout=10)

        def once() -> object:
            gate.wait()
            return work()

        with ThreadPoolExecutor(count) as pool:
            return [done.result(DEADLINE_S) for done in [pool.submit(once) for _ in range(count)]]

    return run
