"""That only what is fast is marked `unit`."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PLAIN = "def test_plain(): pass\n"
USES = "def test_uses(fresh_python): assert fresh_python('print(1)').stdout == '1\\n'\n"
STARTS = "import subprocess\ndef test_starts(): subprocess.run(['true'])\n"
SLOW = "raise SystemExit('it was imported')\n"


def run(folder: Path, files: dict[str, str], *options: str) -> str:
    """The closing line of a run of these files' tests."""
    for name, text in files.items():
        file = folder / "tests" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest"]
    command += ["-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", str(folder)]
    environ = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *options, "tests"], cwd=folder, env=environ, capture_output=True, text=True
    )
    return done.stdout.splitlines()[-1]


def test_a_unit_test_that_starts_a_process_fails(tmp_path: Path) -> None:
    files = {"unit/test_plain.py": PLAIN, "unit/test_starts.py": STARTS}
    assert run(tmp_path, files).startswith("1 failed, 1 passed")


def test_what_needs_a_process_is_left_out_of_the_fast_tests_and_passes_in_all(
    tmp_path: Path,
) -> None:
    files = {"unit/test_plain.py": PLAIN, "unit/test_uses.py": USES}
    assert run(tmp_path, files, "-m", "unit").startswith("1 passed, 1 deselected")
    assert run(tmp_path, files).startswith("2 passed")


def test_the_fast_tests_import_no_others(tmp_path: Path) -> None:
    files = {"unit/test_plain.py": PLAIN, "unit/tasks/llm/test_slow.py": SLOW}
    files |= {"integration/test_slow.py": SLOW, "acceptance/conftest.py": SLOW}
    assert run(tmp_path, files, "-m", "unit").startswith("1 passed")
