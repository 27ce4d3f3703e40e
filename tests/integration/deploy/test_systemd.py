"""systemd finds nothing to complain about in the units."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ..debian import unpacked

UNITS = Path(__file__).parents[3] / "deploy/systemd"
EXPOSED_AT_MOST = 30  # of 100; without hardening a service has 92


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`systemd-analyze`, of this machine or from Debian's package; it needs no running systemd."""
    program, environ = shutil.which("systemd-analyze"), dict(os.environ)
    if program is None:
        files = unpacked("systemd", ("systemd", "libsystemd-shared"))
        program = str(files / "usr/bin/systemd-analyze")
        environ["LD_LIBRARY_PATH"] = str(next(files.glob("usr/lib/*-linux-gnu/systemd")))
    return subprocess.run([program, *arguments], env=environ, capture_output=True, text=True)


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """The units, with programs and a user that this machine has."""
    copies = []
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.target")]:
        text = re.sub(r"/opt/trimind/bin/\w+", "/bin/true", unit.read_text())
        text = re.sub(r"(?m)^(User|Group)=trimind$", r"\1=daemon", text)
        copy = tmp_path / unit.name
        copy.write_text(text)
        copies.append(str(copy))
    return copies


def test_the_units_are_valid(units: list[str]) -> None:
    assert len(units) == 6
    verified = analyze("verify", "--man=no", "--recursive-errors=no", *units)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_the_services_may_do_little(units: list[str]) -> None:
    for unit in units:
        if unit.endswith(".service"):
            options = ("--offline=true", f"--threshold={EXPOSED_AT_MOST}", "--no-pager")
            rated = analyze("security", *options, unit)
            assert rated.returncode == 0, rated.stdout + rated.stderr
