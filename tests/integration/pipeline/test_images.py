"""The steps of deploy/docker/Dockerfile, in a folder of their own instead of a container's root."""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url

from deploy.embedded.ports import free_port
from models.session import get_engine

Until = Callable[..., None]
Run = Callable[..., "subprocess.Popen[bytes]"]

DOCKER = Path(__file__).parents[3] / "deploy/docker"
FLOWER = ("operator", "a-password-of-ours")
WEB_MB = 160
STOP_WITHIN_S = 30
RELEASE = ("trimind", "db", "upgrade")
STARTED_BY = {"flower": ("python", "-m", "tasks", "flower")}


def run_lines(stage: str) -> list[str]:
    """The commands that build a stage."""
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", "")
    [lines] = re.findall(rf"^FROM \S+ AS {stage}\n((?:(?!FROM ).*\n)*)", text, re.MULTILINE)
    return re.findall(r"^RUN (.*)$", lines, re.MULTILINE)


def command_of(target: str) -> tuple[str, ...]:
    text = (DOCKER / "Dockerfile").read_text()
    [line] = re.findall(rf"^FROM \S+ AS {target}\n(?:(?!FROM ).*\n)*CMD \[(.*)\]$", text, re.M)
    return tuple(re.findall(r'"([^"]*)"', line))


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """The folder of everything."""
    folder = Path(tempfile.mkdtemp(prefix="trimind-image-", dir="/tmp"))
    yield folder
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def web(root: Path, source: Path) -> Path:
    """The files of the image `web`: what the Dockerfile puts into /opt/trimind."""
    context = root / "src"
    for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines():
        if line.startswith("!"):
            original, copy = source / line[1:], context / line[1:]
            copy.parent.mkdir(parents=True, exist_ok=True)
            copied = shutil.copytree if original.is_dir() else shutil.copy
            copied(original, copy)
    build("web-steps", context, root / "web")
    return root / "web"


@pytest.fixture(scope="module")
def worker(root: Path, web: Path) -> Path:
    """The files of the image `worker`, which begins with those of `web`."""
    shutil.copytree(web, root / "worker", symlinks=True)
    build("worker-steps", root / "src", root / "worker")
    return root / "worker"


def build(stage: str, context: Path, prefix: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for line in run_lines(stage):
        assert "/opt/trimind" in line
        command = line.replace("/opt/trimind", str(prefix))
        subprocess.run(
            ["bash", "-c", command], cwd=context, env=os.environ | {"PATH": path}, check=True
        )


@pytest.fixture(scope="module")
def deployed(environment: dict[str, str], root: Path) -> dict[str, str]:
    """The variables of each container; the database is new, without a schema."""
    name = f"image_{secrets.token_hex(4)}"
    autocommit = get_engine().connect().execution_options(isolation_level="AUTOCOMMIT")
    with autocommit as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = make_url(environment["DATABASE_URL"]).set(database=name)
    return {
        "HOME": "/nonexistent",
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "REDIS_URL": environment["REDIS_URL"].removesuffix("/0") + "/6",
        "SHARED_SECRET": secrets.token_hex(32),
        "FLOWER_BASIC_AUTH": ":".join(FLOWER),
        "EMBEDDED_MODEL_URL": environment["EMBEDDED_MODEL_URL"],
        "MAX_TOKENS": "20",
        "WORKER_THREADS": "8",
    }


@pytest.fixture
def run(deployed: dict[str, str]) -> Iterator[Run]:
    """`run(image, command, **variables)`: run a command of an image, which may write nothing of it;
    each must end."""
    started: list[subprocess.Popen[bytes]] = []
    # Root may write everywhere, unless it has no such capability.
    unable = ("setpriv", "--bounding-set=-all,+dac_read_search") if os.getuid() == 0 else ()

    def do(image: Path, command: tuple[str, ...], **more: str) -> subprocess.Popen[bytes]:
        environ = deployed | {"PATH": f"{image}/bin:/usr/bin:/bin"} | more
        started.append(
            subprocess.Popen([*unable, *command], cwd="/tmp", env=environ, start_new_session=True)
        )
        return started[-1]

    yield do
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    for process in started:
        process.wait(STOP_WITHIN_S)


def test_the_image_of_the_web_process_is_small_and_has_no_library_of_models(web: Path) -> None:
    size = sum(file.lstat().st_size for file in web.rglob("*"))
    assert size < WEB_MB * 1_000_000, f"{size / 1e6:.0f} MB"
    installed = {folder.name for folder in web.glob("lib/python3*/site-packages/*")}
    assert {"app", "tasks", "psycopg"} <= installed
    assert installed.isdisjoint({"litellm", "openai", "torch", "transformers", "pip", "setuptools"})


def test_an_image_holds_the_bill_of_materials_of_what_it_installs(web: Path, worker: Path) -> None:
    components = [json.loads((image / "sbom.json").read_text()) for image in (web, worker)]
    of_web, of_worker = ({each["name"] for each in bill["components"]} for bill in components)
    assert {"flask", "celery", "psycopg"} <= of_web < of_worker
    assert of_worker - of_web >= {"litellm"}


def test_the_image_of_the_web_process_says_why_it_runs_no_worker(
    web: Path, deployed: dict[str, str]
) -> None:
    for target in ("worker", "cpu"):
        ended = subprocess.run(
            command_of(target),
            cwd="/tmp",
            env=deployed | {"PATH": f"{web}/bin:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 78
        [_, line] = ended.stderr.splitlines()
        assert line.startswith("LiteLLM is not installed")


def test_the_images_answer_a_message_without_writing_a_file_of_theirs(
    web: Path, worker: Path, run: Run, deployed: dict[str, str], until: Until
) -> None:
    lock(web, worker)
    port, flower = free_port(), free_port()
    assert run(web, RELEASE).wait(60) == 0
    run(web, command_of("web"), PORT=str(port))
    run(web, STARTED_BY["flower"], PORT=str(flower))
    run(worker, command_of("worker"))
    run(worker, command_of("cpu"), REMAP_SIGTERM="SIGQUIT")
    headers = {"Authorization": f"Bearer {deployed['SHARED_SECRET']}", "X-Trimind-User": "somebody"}
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False)
    until(lambda: status(client, "/readyz") == 200, 60)

    # Long enough to go to the cpu worker.
    job = client.post("/v1/jobs", json={"message": "The river runs to the sea. " * 30}).json()

    def ended() -> dict[str, Any] | None:
        read = client.get(f"/v1/jobs/{job['id']}").json()
        return read if read["status"] not in ("queued", "in_progress") else None

    until(ended, 120)
    read = ended()
    assert read is not None
    assert read["status"] == "completed", read["error"]
    assert client.get("/docs").status_code == 200
    operator = httpx.Client(base_url=f"http://127.0.0.1:{flower}", trust_env=False, timeout=30)
    assert status(operator, "/") == 401
    assert operator.get("/", auth=FLOWER).status_code == 200


def lock(*images: Path) -> None:
    """Make the files unwritable for their owner too, unless that is root."""
    for image in images:
        subprocess.run(["chmod", "-R", "a-w", str(image)], check=True)


def status(client: httpx.Client, path: str) -> int | None:
    """The status of an answer, or None while no server listens."""
    try:
        return client.get(path).status_code
    except httpx.TransportError:
        return None
