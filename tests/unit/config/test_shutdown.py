"""A process's shutdown wakes everything in it that waits."""

from tests.fresh_python import FreshPython

SCRIPT = """
import threading
from config.shutdown import begin_shutdown, on_shutdown, shutting_down

on_shutdown(lambda: print("registered before"))
waiter = threading.Thread(target=shutting_down.wait)
waiter.start()
print("begin")
begin_shutdown()
waiter.join(5)
print("still waiting" if waiter.is_alive() else "waiter ended")
on_shutdown(lambda: print("registered after"))
"""


def test_waits_end_and_callbacks_run_whether_they_came_before_or_after(
    fresh_python: FreshPython,
) -> None:
    out = fresh_python(SCRIPT, check=True)

    assert out.stdout.split("\n") == [
        "begin",
        "registered before",
        "waiter ended",
        "registered after",
        "",
    ]
