"""Tests that must run alone do so in a run with several processes."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Each test prints when it ran; it takes long enough for those of another file to overlap.
TIMED = """
import os, time
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(3))
def test_it_takes_a_while(number):
    began = time.monotonic()
    time.sleep(0.2)
    line = f"{Path(__file__).parent.name} {os.getpid()} {began} {time.monotonic()}\\n"
    with open(os.environ["RUN_LOG"], "a") as log:
        log.write(line)
"""


def run(folder: Path, files: Sequence[str]) -> list[tuple[str, int, float, float]]:
    """Which process ran these files' tests, and when."""
    for name in files:
        file = folder / "tests" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(TIMED)
    log = folder / "log"
    plain = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "RUN_LOG": str(log), "PYTHONPATH": str(ROOT)}
    plugins = ["-p", "xdist.plugin", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *plugins, "--import-mode=importlib", "-n", "2"]
    command += ["--rootdir", str(folder), "tests"]
    done = subprocess.run(command, cwd=folder, env=os.environ | plain, capture_output=True)
    assert done.returncode == 0, done.stdout.decode()
    rows = [line.split() for line in log.read_text().splitlines()]
    return [(row[0], int(row[1]), float(row[2]), float(row[3])) for row in rows]


def test_files_run_side_by_side_and_nothing_beside_what_is_alone(tmp_path: Path) -> None:
    others = ["one/test_a.py", "two/test_b.py", "three/test_c.py", "four/test_d.py"]

    ran = run(tmp_path, ["chaos/test_x.py", "chaos/test_y.py", *others])

    of = {row[0]: [other for other in ran if other[0] == row[0]] for row in ran}
    alone = of.pop("chaos")
    assert (len(alone), [len(rows) for rows in of.values()]) == (6, [3, 3, 3, 3])
    began, ended = min(row[2] for row in alone), max(row[3] for row in alone)
    assert [row for row in ran if row not in alone and row[3] > began and row[2] < ended] == []
    processes = [{row[1] for row in rows} for rows in of.values()]
    assert [len(found) for found in processes] == [1, 1, 1, 1]
    assert len(set.union(*processes)) == 2


def test_what_is_alone_runs_where_there_is_nothing_else(tmp_path: Path) -> None:
    ran = run(tmp_path, ["chaos/test_x.py", "chaos/test_y.py"])

    assert len(ran) == 6
    assert len({process for _, process, _, _ in ran}) == 1


def test_the_groups_that_run_alone_run_side_by_side(tmp_path: Path) -> None:
    others = ["one/test_a.py", "two/test_b.py", "three/test_c.py"]

    ran = run(tmp_path, ["chaos/test_x.py", "chaos/test_control.py", *others])

    alone = [row for row in ran if row[0] == "chaos"]
    began, ended = min(row[2] for row in alone), max(row[3] for row in alone)
    assert (len(ran), len(alone)) == (15, 6)
    assert [row for row in ran if row not in alone and row[3] > began and row[2] < ended] == []
    processes = {row[1] for row in alone}
    assert len(processes) == 2
    assert all(sum(row[1] == process for row in alone) == 3 for process in processes)
