"""Weights are pulled over HTTP as the hub serves them, and can be loaded.

The hub is a small server that implements the hub's protocol over a real socket (the four calls of
huggingface_hub 1.x). The client is the real one, in a separate process, since it reads its endpoint
on import.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tasks.compression import compressor
from tasks.compression.weights import HUB_MODEL, find_weights, pull

ROOT = Path(__file__).parents[3]
SHA = "a" * 40


class Hub(ThreadingHTTPServer):
    """Serves one folder as `HUB_MODEL`."""

    folder: Path
    cut_short = False


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        names = sorted(file.name for file in self.server.folder.iterdir())
        if path.startswith(f"/api/models/{HUB_MODEL}/tree/"):
            self.send(json.dumps([self.entry(name) for name in names]).encode(), with_body)
        elif path.startswith(f"/api/models/{HUB_MODEL}"):
            siblings = [{"rfilename": name} for name in names]
            self.send(
                json.dumps({"id": HUB_MODEL, "sha": SHA, "siblings": siblings}).encode(), with_body
            )
        elif path.startswith(f"/{HUB_MODEL}/resolve/") and path.rpartition("/")[2] in names:
            body = (self.server.folder / path.rpartition("/")[2]).read_bytes()
            if self.server.cut_short and path.endswith(".safetensors"):
                body = body[:-100]
            self.send(body, with_body)
        else:
            self.send_error(404)

    def entry(self, name: str) -> dict[str, object]:
        body = (self.server.folder / name).read_bytes()
        return {
            "type": "file",
            "path": name,
            "size": len(body),
            "oid": hashlib.sha1(body).hexdigest(),
        }

    def send(self, body: bytes, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", SHA)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def hub(bert: Path) -> Iterator[Hub]:
    server = Hub(("127.0.0.1", 0), Handler)
    server.folder = bert
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def pull_from(hub: Hub, home: Path) -> subprocess.CompletedProcess[str]:
    code = (
        "from pathlib import Path\n"
        "from tasks.compression.weights import pull\n"
        f"pull(Path({str(home)!r}), None, print)\n"
    )
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    mine = {"PYTHONPATH": str(ROOT), "HF_ENDPOINT": endpoint, "HF_HOME": str(home / "hf")}
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return subprocess.run(
        [sys.executable, "-c", code], env=clean | mine, capture_output=True, text=True
    )


def test_what_is_downloaded_compresses(hub: Hub, tmp_path: Path, prose: str) -> None:
    done = pull_from(hub, tmp_path)
    assert done.returncode == 0, done.stderr
    folder = find_weights(tmp_path, None)
    assert folder == tmp_path / "models" / HUB_MODEL.rpartition("/")[2]
    assert not (folder / ".cache").exists()
    chosen = compressor.choose(tmp_path, None)
    compressor.warm(chosen)
    assert chosen.name == "llmlingua2"
    assert chosen.compress(f"{prose}\n\nBe brief.", 0.5).shortened


def test_a_download_that_is_cut_short_is_not_taken_for_weights(hub: Hub, tmp_path: Path) -> None:
    hub.cut_short = True
    done = pull_from(hub, tmp_path)
    assert done.returncode == 1
    assert "WeightsUnusable" in done.stderr
    assert find_weights(tmp_path, None) is None
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("kind", ["bert", "xlm_roberta"])
def test_a_copy_of_a_folder_compresses(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, prose: str
) -> None:
    target = pull(tmp_path, request.getfixturevalue(kind), print)
    chosen = compressor.choose(tmp_path, None)
    assert compressor.explain(tmp_path, None) == f"llmlingua2: weights in {target}"
    assert chosen.compress(f"{prose}\n\nBe brief.", 0.5).shortened
