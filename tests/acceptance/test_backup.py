"""`trimind backup` and `restore`."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from app.cli.local.services import ROOT

from .conftest import TRIMIND, Stack

NewStack = Callable[[], Stack]


def test_what_is_backed_up_is_there_again_after_a_restore(
    new_stack: NewStack, tmp_path: Path
) -> None:
    first, file = new_stack().start(), tmp_path / "backup.tar.gz"
    first.wait_for()
    job, key = first.answered("Keep this!"), first.key
    running = first.trimind("backup", str(file))
    assert running.returncode == 1
    assert "stop it first" in running.stderr
    first.process.terminate()
    first.wait_for_end()

    # A disk that is full: no file may grow beyond this.
    limited = ["bash", "-c", 'ulimit -f 64; exec "$0" "$@"', TRIMIND, "backup", str(file)]
    environ = first.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    full = subprocess.run(limited, env=environ, cwd=ROOT, capture_output=True, text=True)
    assert (full.returncode, len(full.stderr.splitlines())) == (1, 1), full.stderr
    assert list(tmp_path.iterdir()) == []

    done = first.trimind("backup", str(file), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bytes"] == file.stat().st_size
    assert file.stat().st_mode & 0o077 == 0
    assert first.trimind("backup", str(file)).returncode == 1  # never over another one

    second = new_stack()
    shutil.rmtree(second.home)
    assert second.trimind("restore", str(file)).returncode == 0
    occupied = second.trimind("restore", str(file))
    assert occupied.returncode == 1
    assert "has data" in occupied.stderr
    second.start().wait_for()
    assert second.key == key
    with second.client() as client:
        assert client.job(job["id"])["output"] == job["output"]


def test_what_is_no_backup_is_refused_and_leaves_nothing(
    new_stack: NewStack, tmp_path: Path
) -> None:
    stack, rubbish = new_stack(), tmp_path / "rubbish"
    rubbish.write_bytes(b"\x1f\x8b rubbish")
    refused = stack.trimind("restore", str(rubbish))
    assert refused.returncode == 1
    [line] = refused.stderr.splitlines()
    assert "is not a backup" in line
    assert sorted(each.name for each in stack.home.iterdir()) == ["run"]
    nothing = stack.trimind("backup", str(tmp_path / "file"))
    assert (nothing.returncode, len(nothing.stderr.splitlines())) == (1, 1)
    assert stack.trimind("restore", str(tmp_path / "missing")).returncode == 1
