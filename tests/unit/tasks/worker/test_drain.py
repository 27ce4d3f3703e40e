"""The end of a worker at the limit of its shutdown."""

import os

from tests.fresh_python import FreshPython

ENVIRON = {
    "PATH": os.environ["PATH"],
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    "REDIS_URL": "redis://127.0.0.1:9",
    "SHARED_SECRET": "s" * 32,
    "OPENAI_API_KEY": "none",
    "DRAIN_S": "0",
}
DRAIN = """
from tasks.metrics.gauges import RUNS
from tasks.worker.drain import Drain
RUNS.follow(lambda: 1 / 0)
drain = Drain()
drain.start()
drain.join()
raise SystemExit(7)
"""


def test_a_process_ends_at_the_limit_although_its_counts_can_t_be_reported(
    fresh_python: FreshPython,
) -> None:
    done = fresh_python(DRAIN, env=ENVIRON)
    assert (done.returncode, "last counts not reported" in done.stdout + done.stderr) == (0, True)
