"""`trimind models pull` without PyTorch first installs the packages that use the weights, with the
real pip: from the index that tests are installed from, but PyTorch from a local one."""

import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from sysconfig import get_path
from threading import Thread

import pytest

from app.cli.local.extras import CONSTRAINTS, required

ROOT = Path(__file__).parents[3]
FAMILY = "bert-base-multilingual-cased"
# The large packages; the others of the extra come with LiteLLM.
ABSENT = ("accelerate", "llmlingua", "torch", "transformers")
# Before any build of the same version that another index may have.
BUILD = "+zz"
PINNED = dict(line.split("==") for line in CONSTRAINTS.read_text().splitlines() if "==" in line)

AWAY = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_FIND_LINKS": "",
    "PIP_INDEX_URL": "http://127.0.0.1:9/",
    "PIP_RETRIES": "0",
}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An index with each absent package, but other files than those that are hashed; PyTorch also
    in a newer version."""
    folder = tmp_path_factory.mktemp("index")
    for name in ABSENT:
        write_wheel(folder, name, PINNED[name] + (BUILD if name == "torch" else ""))
    write_wheel(folder, "torch", "999.0")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def without_torch(tmp_path: Path) -> Path:
    """The Python of an environment like this one, without the absent packages."""
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    rest = tmp_path / "rest"
    rest.mkdir()
    for entry in Path(get_path("purelib")).iterdir():
        if entry.name.partition("-")[0] not in ABSENT:
            (rest / entry.name).symlink_to(entry)
    [site] = folder.glob("lib/python3*/site-packages")
    (site / "rest.pth").write_text(f"{rest}\n{ROOT}\n")
    return folder / "bin/python"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / FAMILY
    folder.mkdir()
    config = {"model_type": "bert", "architectures": ["BertForTokenClassification"]}
    header = json.dumps({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0")
    (folder / "vocab.txt").write_text("[PAD]\n")
    return folder


def write_wheel(folder: Path, name: str, version: str) -> None:
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", "")
        wheel.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")


def pull(python: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command with pip's configuration, of which `environ` replaces a part."""
    home = {"TRIMIND_HOME": str(python.parents[2] / "home")}
    command = [str(python), "-m", "app.cli", "models", "pull", *options]
    return subprocess.run(
        command, env=os.environ | home | environ, cwd=python.parent, capture_output=True, text=True
    )


def versions(python: Path) -> dict[str, str]:
    script = "import importlib.metadata as m, sys; print(*(m.version(n) for n in sys.argv[1:]))"
    found = subprocess.check_output([python, "-c", script, *ABSENT], text=True)
    return dict(zip(ABSENT, found.split(), strict=True))


def test_the_absent_packages_are_of_the_extra() -> None:
    assert set(ABSENT) < set(required("compress"))


def test_pull_installs_what_is_absent_as_it_is_pinned(
    without_torch: Path, weights: Path, index: str
) -> None:
    done = pull(without_torch, "--from", str(weights), PIP_FIND_LINKS=index, PIP_NO_COMPILE="1")

    assert done.returncode == 0, done.stdout + done.stderr
    build = {"torch": PINNED["torch"] + BUILD}
    assert versions(without_torch) == {name: PINNED[name] for name in ABSENT} | build
    assert f"torch-{build['torch']}" in done.stdout  # pip's own progress
    assert "weights are in" in done.stdout
    again = pull(without_torch, "--from", str(weights), **AWAY)
    assert (again.returncode, "installing" in again.stdout) == (0, False)


def test_a_file_with_another_hash_is_refused(
    without_torch: Path, weights: Path, index: str
) -> None:
    places = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": index, "PIP_CONFIG_FILE": os.devnull}

    done = pull(without_torch, "--from", str(weights), **places)

    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: pip could not install accelerate, ")
    assert "weights are in" not in done.stdout


def test_an_index_that_does_not_answer_ends_in_one_line(without_torch: Path, weights: Path) -> None:
    done = pull(without_torch, "--from", str(weights), **AWAY)

    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: pip could not install ")
    assert "Check the network" in last
    assert "Traceback" not in done.stderr
    assert "copying" not in done.stdout


def test_an_environment_without_pip_says_how_to_get_it(without_torch: Path, weights: Path) -> None:
    (without_torch.parents[2] / "rest/pip").unlink()

    done = pull(without_torch, "--from", str(weights))

    assert done.returncode == 1
    assert "has no pip: run `" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_without_weights_is_refused_before_anything_is_installed(
    without_torch: Path, tmp_path: Path
) -> None:
    done = pull(without_torch, "--from", str(tmp_path), **AWAY)

    assert done.returncode == 1
    assert "no config.json" in done.stderr
    assert "installing" not in done.stdout


def test_running_installs_no_pytorch_and_testing_does(source: Path) -> None:
    planned = {
        target: subprocess.check_output(["make", "--dry-run", target], cwd=source, text=True)
        for target in ("run", "test")
    }

    assert "--requirement deploy/requirements/embedded.txt" in planned["run"]
    assert [word for word in ("torch", "compress") if word in planned["run"]] == []
    assert "--requirement deploy/requirements/test.txt" in planned["test"]
    assert "--constraint constraints.txt torch" in planned["test"]
