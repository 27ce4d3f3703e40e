"""Anthropic's messages, streamed or not."""

import json
from typing import Any, Final

from tasks.llm.pieces import Piece, check, fields, items, number, reason, text_of

_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


# What an event has that is a piece of text and nothing else, as nearly every event is.
_EVENT: Final = frozenset({"type", "index", "delta"})
_DELTA: Final = frozenset({"type", "text"})


def read(said: dict[str, Any]) -> Piece:
    """Parse an event or a whole message. Raises ErrorEvent."""
    text = _plain(said)
    return _read(said) if text is None else Piece(text)


def _plain(said: dict[str, Any]) -> str | None:
    """Return the text of an event that is only that, which takes a fraction of the time."""
    delta = said.get("delta")
    if said.get("type") != "content_block_delta" or not said.keys() <= _EVENT:
        return None
    if type(delta) is not dict or not delta.keys() <= _DELTA or delta.get("type") != "text_delta":
        return None
    text = delta.get("text")
    return text if type(text) is str else None


def _read(said: dict[str, Any]) -> Piece:
    declined = check(said)
    if declined is not None:
        return declined
    kind = said.get("type")
    delta = fields(said.get("delta"))
    message = said if kind == "message" else fields(said.get("message"))
    usage = fields(said.get("usage")) or fields(message.get("usage"))
    end = delta.get("stop_reason") or message.get("stop_reason")
    return Piece(
        text=text_of(_shown(delta))
        + text_of(_shown(fields(said.get("content_block"))))
        + _content(message),
        thought=text_of(delta.get("thinking")),
        finish=reason(end),
        input_tokens=sum(number(usage.get(name)) or 0 for name in _INPUT) or None,
        output_tokens=number(usage.get("output_tokens")),
        whole=kind == "message_stop",
    )


def _shown(part: dict[str, Any]) -> Any:
    return part.get("text") if part.get("type") in ("text", "text_delta", None) else None


def _content(message: dict[str, Any]) -> str:
    """Return a whole message's text, or else its tool input: the form in which it returns JSON."""
    content = message.get("content")
    text = text_of(content)
    used = [fields(part).get("input") for part in items(content)]
    return text or next((json.dumps(each) for each in used if each), "")
