"""A loop lives as long as its process, whatever its step does."""

import threading

from tasks.daemon_loop import DaemonLoop
from tests.fresh_python import FreshPython

WITHIN_S = 10

FAILING = """
import threading
from redis import ConnectionError
from config.logging import configure_logging
from tasks.daemon_loop import DaemonLoop

configure_logging()
errors = [ValueError("first"), ValueError("second"), ConnectionError("no Redis")]
worked = threading.Event()

def step():
    if errors:
        raise errors.pop(0)
    worked.set()

loop = DaemonLoop("loop", step, lambda: 0)
loop.start()
print("worked" if worked.wait(10) else "did not work")
"""

BUSY_AT_EXIT = """
import threading, time
from tasks.daemon_loop import DaemonLoop

begun = threading.Event()

def step():
    begun.set()
    time.sleep(0.3)
    print("finished", flush=True)

loop = DaemonLoop("loop", step, lambda: 0)
loop.start()
begun.wait(10)
"""


def test_an_error_is_logged_once_and_the_step_tried_again(fresh_python: FreshPython) -> None:
    ran = fresh_python(FAILING, check=True)

    assert ran.stdout == "worked\n"
    assert ran.stderr.count("loop failed") == 1
    assert "ValueError: first" in ran.stderr
    assert "second" not in ran.stderr
    assert ran.stderr.count("redis unavailable") == 1


def test_the_step_in_progress_ends_before_the_interpreter(fresh_python: FreshPython) -> None:
    ran = fresh_python(BUSY_AT_EXIT, check=True)

    assert ran.stdout == "finished\n"


def test_a_loop_without_an_interval_waits_to_be_woken_and_starts_once() -> None:
    steps: list[str] = []
    stepped = threading.Semaphore(0)

    def step() -> None:
        steps.append(threading.current_thread().name)
        stepped.release()

    loop = DaemonLoop("woken", step, lambda: None)
    loop.start()
    loop.start()
    for _ in range(2):
        loop.wake()
        assert stepped.acquire(timeout=WITHIN_S)
    loop.stop()

    assert steps == ["woken", "woken"]


def test_stop_ends_the_thread() -> None:
    threads: list[threading.Thread] = []
    stepped = threading.Event()

    def step() -> None:
        threads.append(threading.current_thread())
        stepped.set()

    loop = DaemonLoop("stopped", step, lambda: 0.01)
    loop.start()
    assert stepped.wait(WITHIN_S)
    loop.stop()
    threads[0].join(WITHIN_S)

    assert not threads[0].is_alive()
