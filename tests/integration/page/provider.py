"""A provider whose answers a test scripts: OpenAI's chat completions over HTTP.

A message is answered by the script whose name it contains, such as `<<poem>>`; any other by the
script without a name, or with one sentence. The minds' prompts tell them apart: each answer begins
with the mind's title.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

NAME: Final = re.compile(r"<<([a-z-]+)>>")
TITLE: Final = re.compile(r"You are the (\w+)")
HELD_AT_MOST_S: Final = 60


@dataclass
class Script:
    """An answer in pieces. With a `gate`, the call stops before the last piece until the test opens
    it. `status` refuses the call instead."""

    pieces: list[str]
    gate: threading.Event | None = None
    status: int = 200


@dataclass
class ScriptedProvider:
    """The scripts by their names, and the address that they are served at."""

    url: str = ""
    scripts: dict[str, Script] = field(default_factory=dict)

    def hold(self, name: str, before: str, after: str) -> threading.Event:
        """Script an answer that stops in between until the event is set."""
        gate = threading.Event()
        self.scripts[name] = Script([before, after], gate)
        return gate

    def say(self, name: str, *pieces: str) -> None:
        """Script an answer."""
        self.scripts[name] = Script(list(pieces))

    def refuse(self, name: str, status: int) -> None:
        """Script a refusal."""
        self.scripts[name] = Script([], status=status)


@contextmanager
def serving() -> Iterator[ScriptedProvider]:
    """A provider that serves until the end of the block."""
    provider = ScriptedProvider()

    class Handler(_Handler):
        scripts = provider.scripts

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield provider
    for script in provider.scripts.values():
        if script.gate is not None:
            script.gate.set()
    server.shutdown()
    server.server_close()
    thread.join()


class _Handler(BaseHTTPRequestHandler):
    scripts: dict[str, Script]
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = json.dumps(body["messages"])
        named = NAME.findall(text)
        script = self.scripts.get(named[-1] if named else "")
        if not body.get("stream"):
            intent = {"intent": "question", "confidence": 0.9}
            return self._whole({"content": json.dumps(intent)})
        title = TITLE.search(text)
        with suppress(ConnectionError):  # the call was cancelled
            self._stream(script or Script(["A short ", "answer."]), title[1] if title else "")
        self.close_connection = True
        return None

    def _whole(self, message: dict[str, Any]) -> None:
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
        self._json(200, {"object": "chat.completion", "choices": [choice], "usage": usage})

    def _json(self, status: int, body: dict[str, Any]) -> None:
        sent = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def _stream(self, script: Script, title: str) -> None:
        if script.status != 200:
            error = {"message": "scripted", "type": "server_error", "code": None}
            return self._json(script.status, {"error": error})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        first, *rest = script.pieces
        pieces = [f"{title}: {first}" if first else "", *rest]
        for number, piece in enumerate(pieces):
            if number == len(pieces) - 1 and script.gate is not None:
                script.gate.wait(HELD_AT_MOST_S)
            self._chunk({"choices": [{"index": 0, "delta": {"content": piece}}]})
        self._chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": 50, "completion_tokens": 20, "total_tokens": 70}
        self._chunk({"choices": [], "usage": usage})
        self._write(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")
        return None

    def _chunk(self, body: dict[str, Any]) -> None:
        self._write(f"data: {json.dumps({'object': 'chat.completion.chunk', **body})}\n\n".encode())

    def _write(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()
