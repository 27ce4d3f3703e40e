"""A provider that misbehaves on request: `python provider.py PORT`.

It serves OpenAI's chat completions. A streamed answer has the mark in the prompt, so that each call
and answer can be attributed to a job; any other is an intent as JSON. `PUT /faults` sets its
faults, `GET /calls` lists the calls. It knows nothing about Trimind.
"""

import json
import random
import re
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MARK = re.compile(r"\[#([0-9a-f]{16})\]")
GOOD: dict[str, Any] = {
    "seed": 0,
    "latency_s": [0.02, 0.1],
    "weights": {"answer": 1},
    "faults_per_job": 3,
    "retry_after": 1,
    "words": 0,  # more of them, in every answer
}


class State:
    """The configured faults, and a record of the calls."""

    def __init__(self) -> None:
        self.dealt: set[str] = set()  # the marks of all jobs that ever met a fault
        self.lock = threading.Lock()
        self.calls: list[dict[str, Any]] = []
        self.generation = 0
        self.set_faults({})

    def set_faults(self, faults: dict[str, Any]) -> None:
        """Set the faults from now on, and end the calls that hang."""
        with self.lock:
            self.faults = GOOD | faults
            self.rng = random.Random(self.faults["seed"])
            self.spoiled: dict[str, int] = {}
            self.generation += 1

    def begin(self, mark: str) -> tuple[dict[str, Any], float]:
        """The record of a new call with a random fault, and its latency in seconds."""
        with self.lock:
            kinds, weights = zip(*self.faults["weights"].items(), strict=True)
            kind = self.rng.choices(kinds, weights)[0]
            if kind != "answer":
                seen = self.spoiled.get(mark, 0)
                self.spoiled[mark] = seen + 1
                if seen >= self.faults["faults_per_job"]:
                    kind = "answer"
                elif kind == "malformed" and mark in self.dealt:
                    kind = "error"  # an unusable answer is retried once: never twice per job
                self.dealt.add(mark)
            call = {"mark": mark, "at": time.time(), "kind": kind, "whole": False, "ended": None}
            self.calls.append(call)
            return call, self.rng.uniform(*self.faults["latency_s"])


STATE = State()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        with STATE.lock:
            calls = list(STATE.calls)
        self._whole(200, json.dumps(calls).encode())

    def do_PUT(self) -> None:
        STATE.set_faults(json.loads(self._body()))
        self._whole(200, b"{}")

    def do_POST(self) -> None:
        body = self._body()
        marks = MARK.findall(body.decode())
        call, latency_s = STATE.begin(marks[-1] if marks else "")
        asked = json.loads(body)
        self._question = asked["messages"][-1]["content"]
        call |= {"messages": len(asked["messages"]), "streamed": asked.get("stream", False)}
        try:
            getattr(self, f"_{call['kind']}")(call, latency_s)
        except OSError:  # the caller has gone
            self.close_connection = True
        finally:
            call["ended"] = time.time()

    def _answer(self, call: dict[str, Any], latency_s: float) -> None:
        if not call["streamed"]:
            self._whole(200, intent())
            call["whole"] = True
            return
        self._begin_stream()
        for text in self._words(call):
            time.sleep(latency_s / 4)
            call.setdefault("spoke_at", time.time())
            self._send(delta(text))
        self._send(last(call))
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")
        call["whole"] = True

    def _limited(self, call: dict[str, Any], latency_s: float) -> None:
        asked = {"Retry-After": str(STATE.faults["retry_after"])}
        self._whole(429, error("rate_limit_exceeded", self._question), **asked)

    def _error(self, call: dict[str, Any], latency_s: float) -> None:
        time.sleep(latency_s)
        self._whole(500, error("server_error", self._question))

    def _hang(self, call: dict[str, Any], latency_s: float) -> None:
        """Send nothing until other faults are set."""
        generation = STATE.generation
        while STATE.generation == generation and not self._gone():
            time.sleep(0.1)
        self._drop()

    def _cut(self, call: dict[str, Any], latency_s: float) -> None:
        """Close the connection in the middle of the stream."""
        self._begin_stream()
        for text in self._words(call)[:2]:
            self._send(delta(text))
        self._drop()

    def _truncated(self, call: dict[str, Any], latency_s: float) -> None:
        """End the response properly, but in the middle of an event."""
        self._begin_stream()
        self._send(delta("Half"))
        self._chunk(b'data: {"id": "chatcmpl-1", "object": "chat.comp')
        self._chunk(b"")

    def _malformed(self, call: dict[str, Any], latency_s: float) -> None:
        """Send a 200 that is not an answer."""
        self._whole(200, b"<html>Bad gateway</html>")

    def _words(self, call: dict[str, Any]) -> list[str]:
        more = [f"And {number}. " for number in range(STATE.faults["words"])]
        return ["This ", "answers ", f"[#{call['mark']}] ", *more, "well."]

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _send(self, event: dict[str, Any]) -> None:
        self._chunk(f"data: {json.dumps(event)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _whole(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _gone(self) -> bool:
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False

    def log_message(self, *_: Any) -> None:
        """Send no answer."""


USAGE = {"prompt_tokens": 20, "completion_tokens": 6, "total_tokens": 26}


def intent() -> bytes:
    """The body of an answer that sorts the message."""
    message = {"role": "assistant", "content": '{"intent": "other", "confidence": 1}'}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": int(time.time())}
    return json.dumps(
        {**head, "model": "gpt-4o-mini", "choices": [choice], "usage": USAGE}
    ).encode()


def chunk(delta: dict[str, Any], finish_reason: str | None, **more: Any) -> dict[str, Any]:
    """One event of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": int(time.time())}
    return {**head, "model": "gpt-4o-mini", "choices": [choice], **more}


def delta(text: str) -> dict[str, Any]:
    """The event of another piece of text."""
    return chunk({"role": "assistant", "content": text}, None)


def last(call: dict[str, Any]) -> dict[str, Any]:
    """The last event of an answer, with the usage."""
    return chunk({}, "stop", usage=USAGE)


def error(code: str, question: str) -> bytes:
    """The body of an error, which repeats the question, as those of some providers do."""
    said = f"On purpose: {question}"
    return json.dumps({"error": {"message": said, "type": code, "code": code}}).encode()


class Server(ThreadingHTTPServer):
    """One thread per connection."""

    daemon_threads = True
    request_queue_size = 256


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
