"""An answer's text is read as intended, in every protocol."""

import json
from collections.abc import Callable

import pytest

from tasks.execution.work import Work
from tasks.llm.gateway import stream
from tasks.llm.models import Target
from tests.unit.tasks.llm.odd import DONE, HELLO, Answer, chunk, claude, event, gemini, said, sends

At = Callable[..., Target]
Serve = Callable[[Answer], str]

# Line ends for Python, but not for event streams.
SEPARATED = "a\u2028b\u2029c\u0085d"
# JSON must escape these, but a lenient reader accepts them unescaped.
CONTROLS = "a\x0bb\x0cc\x1cd\x1de\x1ef"


def raw(text: str, protocol: str) -> bytes:
    """One piece of text and its end, with only the escapes that JSON requires."""
    written = {
        "openai": {"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]},
        "anthropic": {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}},
        "gemini": {
            "candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}]
        },
    }[protocol]
    line = b"data: " + json.dumps(written, ensure_ascii=False).encode() + b"\n\n"
    return line + (claude("message_stop") if protocol == "anthropic" else b"")


@pytest.mark.parametrize("protocol", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("text", [SEPARATED, CONTROLS, "é漢😀\ufeff", "\u2028", "tab\tand\\n"])
def test_only_line_feeds_and_returns_end_a_line(
    text: str, protocol: str, serve: Serve, target_at: At, work: Work
) -> None:
    body = raw(f"x{text}y", protocol)
    for control in CONTROLS[1::2]:
        body = body.replace(json.dumps(control)[1:-1].encode(), control.encode())

    made = stream(target_at(serve(sends(body)), protocol), HELLO, work, limit_s=20)

    assert made.text == f"x{text}y"


@pytest.mark.parametrize("protocol", ["openai", "anthropic", "gemini"])
def test_an_answer_that_comes_byte_by_byte_is_the_same(
    protocol: str, serve: Serve, target_at: At, work: Work
) -> None:
    body = raw("é漢😀\u2028", protocol).replace(b"\n", b"\r\n")
    bytes_ = [body[at : at + 1] for at in range(len(body))]

    made = stream(target_at(serve(sends(*bytes_)), protocol), HELLO, work, limit_s=20)

    assert made.text == "é漢😀\u2028"


HALVES = ("x ", "\ud83d", "\ude00", " \udcaf", "\0", "\ud83d")
IN_HALVES = {
    "openai": [*map(chunk, HALVES), DONE],
    "anthropic": [
        *(event({"type": "content_block_delta", "delta": {"text": half}}) for half in HALVES),
        claude("message_stop"),
    ],
    "gemini": [*map(gemini, HALVES), gemini(None, "STOP")],
}


@pytest.mark.parametrize("protocol", list(IN_HALVES))
def test_halves_of_a_pair_are_joined_and_lone_ones_replaced(
    protocol: str, serve: Serve, target_at: At, work: Work
) -> None:
    url = serve(sends(*IN_HALVES[protocol]))

    made = stream(target_at(url, protocol), HELLO, work, limit_s=20)

    assert made.text == "x \U0001f600 \ufffd\ufffd"
    assert work.draft.text == made.text


def test_bytes_that_are_no_utf_8_are_replaced(serve: Serve, target_at: At, work: Work) -> None:
    body = chunk("a!b", "stop").replace(b"!", b"\xff\xed\xa0\xbd") + DONE

    made = stream(target_at(serve(sends(body))), HELLO, work, limit_s=20)

    assert made.text == "a\ufffd\ufffd\ufffd\ufffdb"


def test_a_text_that_is_anthropics_arrives(serve: Serve, target_at: At, work: Work) -> None:
    body = said(SEPARATED) + claude("message_stop")

    made = stream(target_at(serve(sends(body)), "anthropic"), HELLO, work, limit_s=20)

    assert made.text == SEPARATED
