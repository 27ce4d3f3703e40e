"""A server's bytes, for the same answer in three protocols."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

Handler = BaseHTTPRequestHandler
Answer = Callable[[Handler], None]
HELLO = [{"role": "user", "content": "Hello"}]
DONE = b"data: [DONE]\n\n"


def event(said: Any, **how: Any) -> bytes:
    return b"data: " + json.dumps(said, **how).encode() + b"\n\n"


def chunk(text: Any = None, finish: Any = None, **more: Any) -> bytes:
    """One of OpenAI's chunks."""
    return event(
        {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]} | more
    )


def claude(kind: str, **more: Any) -> bytes:
    """One of Anthropic's events."""
    said = json.dumps({"type": kind, **more}, ensure_ascii=False)
    return f"event: {kind}\ndata: {said}\n\n".encode()


def said(text: str) -> bytes:
    return claude("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def gemini(text: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    parts = [] if text is None else [{"text": text}]
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
    if finish:
        candidate["finishReason"] = finish
    return event({"candidates": [candidate], **more})


def sends(
    *parts: bytes, kind: str = "text/event-stream", status: int = 200, **headers: str
) -> Answer:
    """A stream that ends when its connection does."""

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("content-type", kind)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        for part in parts:
            handler.wfile.write(part)
            handler.wfile.flush()

    return answer
