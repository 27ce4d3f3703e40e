"""A PaaS installs from `requirements.txt` a wheel with all files of the checkout."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

# Of `deploy`, the rest are files of platforms.
PACKAGES = ("app", "config", "deploy/embedded", "models", "tasks", "trimind")


@pytest.fixture(scope="module")
def wheel(source: Path) -> zipfile.ZipFile:
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        "dist",
        ".",
    ]
    subprocess.run(build, cwd=source, check=True)
    (made,) = (source / "dist").glob("trimind-*.whl")
    return zipfile.ZipFile(made)


def test_the_wheel_has_every_file_of_the_packages(source: Path, wheel: zipfile.ZipFile) -> None:
    files = [path for package in PACKAGES for path in (source / package).rglob("*")]
    files = [path for path in files if path.is_file() and path.suffix != ".pyc"]
    wanted = {str(path.relative_to(source)) for path in files}
    wanted -= {"trimind/pyproject.toml", "trimind/README.md"}  # the client's own distribution

    assert wanted - set(wheel.namelist()) == set()


def test_the_client_alone_needs_httpx_and_nothing_else(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source / "trimind", tmp_path / "trimind")  # a build leaves things behind
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*command, "--wheel-dir", "dist", "./trimind"], cwd=tmp_path, check=True)
    (made,) = (tmp_path / "dist").glob("trimind_client-*.whl")
    wheel = zipfile.ZipFile(made)
    (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    lines = wheel.read(metadata).decode().splitlines()

    assert [line for line in lines if "Requires-Dist" in line] == ["Requires-Dist: httpx>=0.27"]
    files = {path.name for path in (source / "trimind").glob("*.py")} | {"py.typed"}
    assert {name for name in wheel.namelist() if name.startswith("trimind/")} == {
        f"trimind/{name}" for name in files
    }


def test_an_installation_without_migrations_is_refused(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    wheel.extractall(tmp_path)
    for version in (tmp_path / "models/migrations/versions").glob("0*.py"):
        version.unlink()

    done = upgrade_in(tmp_path)

    assert done.returncode == 1
    assert done.stderr == "Error: This installation has no migrations. Install it again.\n"


def test_migrations_are_found_in_a_folder_with_a_percent_sign(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    folder = tmp_path / "feature%2Fx (copy) #1"
    wheel.extractall(folder)

    done = upgrade_in(folder)

    assert done.returncode == 1
    assert done.stderr.startswith("Error: DATABASE_URL=postgresql")  # as far as the database


def upgrade_in(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `trimind db upgrade` from a folder's files, without a database."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "db", "upgrade"],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "DATABASE_URL": "postgresql://a@127.0.0.1:1/a",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "SHARED_SECRET": "s" * 48,
        },
        capture_output=True,
        text=True,
    )
