"""Answers that deviate from their protocol are accepted if they are complete."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from models.errors import ProviderUnavailable, TransientError, UnusableAnswer
from tasks.execution.work import Work
from tasks.llm.gateway import ask_json, stream
from tasks.llm.models import Target
from tests.unit.tasks.llm.odd import (
    DONE,
    HELLO,
    Answer,
    chunk,
    claude,
    event,
    gemini,
    said,
    sends,
)

At = Callable[..., Target]
Serve = Callable[[Answer], str]

END = chunk(None, "stop") + DONE
TURN_END = claude("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2})
WHOLE = {"choices": [{"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}

OPENAI = {
    "by the book": chunk("Hi") + END,
    "no [DONE]": chunk("Hi") + chunk(None, "stop"),
    "no finish reason, but [DONE]": chunk("Hi") + DONE,
    "no blank line at the end": chunk("Hi") + chunk(None, "stop").rstrip(),
    "the reason with the last text": chunk("Hi", "stop"),
    "an empty reason in every chunk": chunk("H", "") + chunk("i", "") + DONE,
    "the word null for a reason": chunk("H", "null") + chunk("i", "stop"),
    "an unknown reason": chunk("Hi") + chunk(None, "eos"),
    "a reason that is no text": chunk("Hi", 0) + DONE,
    "CRLF": (chunk("Hi") + END).replace(b"\n", b"\r\n"),
    "CR": (chunk("Hi") + END).replace(b"\n", b"\r"),
    "no blank lines": (chunk("Hi") + END).replace(b"\n\n", b"\n"),
    "no space after data:": (chunk("Hi") + END).replace(b"data: ", b"data:"),
    "a byte order mark": b"\xef\xbb\xbf" + chunk("Hi") + END,
    "comments and other fields": b": ROUTER\n\nid: 4\nretry: 3\nevent: x\n" + chunk("Hi") + END,
    "several data lines": b'data: {"choices": [{"delta":\ndata: {"content": "Hi"}}]}\n\n' + END,
    "events without data": b"event: ping\n\ndata:\n\ndata: \n\n" + chunk("Hi") + END,
    "no choices": event({}) + event({"choices": None}) + event({"choices": []}) + chunk("Hi") + END,
    "choices in no list": event({"choices": {"delta": {"content": "Hi"}}}) + END,
    "delta null": event({"choices": [{"delta": None}]}) + chunk("Hi") + END,
    "choices of null": event({"choices": [None]}) + chunk("Hi") + END,
    "the role alone": event({"choices": [{"delta": {"role": "assistant"}}]}) + chunk("Hi") + END,
    "parts": chunk([{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]) + END,
    "thoughts among them": chunk([{"type": "thinking", "thinking": "Hm"}, {"text": "Hi"}]) + END,
    "values that are no objects": event(None) + event(3) + event("x") + chunk("Hi") + END,
    "message for delta": event({"choices": [{"message": {"content": "Hi"}}]}) + END,
    "text for delta": event({"choices": [{"text": "Hi"}]}) + END,
    "another choice beside": event({"choices": [{"index": 1, "delta": {"content": "no"}},
        {"index": 0, "delta": {"content": "Hi"}}]}) + END,
    "usage null": chunk("Hi", usage=None) + END,
    "usage of another kind": chunk("Hi", usage="none") + chunk(None, "stop", usage=[1]) + DONE,
    "an error after the end": chunk("Hi") + chunk(None, "stop") + event({"error": {"code": 500}}),
    "half an event after the end": chunk("Hi") + chunk(None, "stop") + b'data: {"id": "c',
    "whole instead of streamed": json.dumps(WHOLE).encode(),
    "whole over several lines": json.dumps(WHOLE, indent=2).encode(),
    "whole without a reason": json.dumps({"choices": [{"message": {"content": "Hi"}}]}).encode(),
    "whole as one event": event({"object": "chat.completion", **WHOLE}),
    "tokens for an end": chunk("Hi") + event({"choices": [], "usage": {"completion_tokens": 2}}),
    "a filter's chunks": event({"choices": [], "prompt_filter_results": [{}], "usage": None})
    + chunk("Hi") + chunk(None, "stop")
    + event({"id": "", "choices": [{"finish_reason": None, "content_filter_offsets": {}}]}),
    "tokens in every chunk": chunk("H", usage={"prompt_tokens": 3, "completion_tokens": 1})
    + chunk("i", "stop", usage={"prompt_tokens": 3, "completion_tokens": 2}),
    "lines of JSON": b"\n".join(part[6:] for part in (chunk("Hi"), chunk(None, "stop"))),
}  # fmt: skip
ANTHROPIC = {
    "by the book": claude("message_start", message={"content": [], "usage": {"input_tokens": 3}})
    + claude("content_block_start", index=0, content_block={"type": "text", "text": ""})
    + claude("ping") + said("Hi") + claude("content_block_stop", index=0) + TURN_END
    + claude("message_stop"),
    "no message_stop": said("Hi") + TURN_END,
    "message_stop alone": said("Hi") + claude("message_stop"),
    "no event lines": (said("Hi") + TURN_END).replace(b"event: content_block_delta\n", b""),
    "an unknown event": claude("citations", x=1) + said("Hi") + TURN_END,
    "thoughts": claude("content_block_delta", delta={"type": "thinking_delta", "thinking": "Hm"})
    + said("Hi") + TURN_END,
    "text in the block's start": claude(
        "content_block_start", content_block={"type": "text", "text": "H"})
    + said("i") + TURN_END,
    "nulls": claude("message_start", message=None) + claude("content_block_delta", delta=None)
    + said("Hi") + claude("message_delta", delta={"stop_reason": "end_turn"}, usage=None),
    "whole instead of streamed": json.dumps({"type": "message", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "Hi"}]}).encode(),
}  # fmt: skip
GEMINI = {
    "by the book": gemini("H") + gemini("i", "STOP", usageMetadata={"promptTokenCount": 3}),
    "STOP in every part": gemini("H", "STOP") + gemini("i", "STOP"),
    "thoughts": event({"candidates": [{"content": {"parts": [{"text": "Hm", "thought": True}]}}]})
    + gemini("Hi", "STOP"),
    "no parts at the end": gemini("Hi")
    + event({"candidates": [{"content": {}, "finishReason": "STOP"}]}),
    "STOP before the text": gemini(None, "STOP") * 2 + gemini("Hi") + gemini(None, "STOP"),
    "no candidates beside": event({"usageMetadata": {}}) + gemini("Hi", "STOP"),
    "a list instead of a stream": b"[" + gemini("H")[6:] + b"," + gemini("i", "STOP")[6:] + b"]",
}  # fmt: skip
SHAPES = [
    pytest.param(protocol, body, id=f"{protocol}: {name}")
    for protocol, all_ in (("openai", OPENAI), ("anthropic", ANTHROPIC), ("gemini", GEMINI))
    for name, body in all_.items()
]


@pytest.mark.parametrize(("protocol", "body"), SHAPES)
def test_a_whole_answer_is_one_in_any_shape(
    protocol: str, body: bytes, serve: Serve, target_at: At, work: Work
) -> None:
    made = stream(target_at(serve(sends(body)), protocol), HELLO, work, limit_s=20)

    assert (made.text, made.finish_reason) == ("Hi", "stop")
    assert made.input_tokens > 0
    assert made.output_tokens > 0


@pytest.mark.parametrize(
    ("protocol", "body", "text"),
    [
        ("openai", chunk(None, "content_filter") + DONE, ""),
        ("openai", chunk("I", "content_filter"), "I"),
        ("openai", event({"choices": [{"delta": {"refusal": "I can't."}}]}) + END, "I can't."),
        ("openai", event({"error": {"code": "content_filter", "message": "no"}}), ""),
        ("openai", chunk("I") + event({"error": {"code": "content_filter"}}), "I"),
        ("anthropic", claude("message_delta", delta={"stop_reason": "refusal"}), ""),
        ("anthropic", said("I") + claude("message_delta", delta={"stop_reason": "refusal"}), "I"),
        *[
            ("gemini", gemini(None, why), "")
            for why in (
                "SAFETY",
                "RECITATION",
                "BLOCKLIST",
                "PROHIBITED_CONTENT",
                "SPII",
                "LANGUAGE",
            )
        ],
        ("gemini", gemini("I", "SAFETY"), "I"),
        ("gemini", event({"promptFeedback": {"blockReason": "OTHER"}}), ""),
    ],
)
def test_a_provider_that_declines_has_answered(
    protocol: str, body: bytes, text: str, serve: Serve, target_at: At, work: Work
) -> None:
    made = stream(target_at(serve(sends(body)), protocol), HELLO, work, limit_s=20)

    assert (made.text, made.finish_reason) == (text, "content_filter")


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("openai", chunk(None, "length") + DONE),
        ("openai", chunk(None, "model_length")),
        ("anthropic", claude("message_delta", delta={"stop_reason": "max_tokens"})),
        ("anthropic", claude("message_delta",
                             delta={"stop_reason": "model_context_window_exceeded"})),
        ("gemini", gemini(None, "MAX_TOKENS")),
    ],
)  # fmt: skip
def test_an_answer_cut_by_its_limit_may_be_empty(
    protocol: str, body: bytes, serve: Serve, target_at: At, work: Work
) -> None:
    made = stream(target_at(serve(sends(body)), protocol), HELLO, work, limit_s=20)

    assert (made.text, made.finish_reason) == ("", "length")


@pytest.mark.parametrize("usage", [{"prompt_tokens": "7", "completion_tokens": 5.0},
                                   {"prompt_tokens": 7.0, "completion_tokens": "5"},
                                   {"input_tokens": 7, "output_tokens": 5}])  # fmt: skip
def test_tokens_are_believed_however_they_are_written(
    usage: dict[str, Any], serve: Serve, target_at: At, work: Work
) -> None:
    body = chunk("Hi", "stop") + event({"choices": [], "usage": usage}) + DONE

    made = stream(target_at(serve(sends(body))), HELLO, work, limit_s=20)

    assert (made.input_tokens, made.output_tokens) == (7, 5)


@pytest.mark.parametrize("wrong", [None, -4, "many", True, 1e99, [7], {"tokens": 7}])
def test_tokens_that_are_no_count_are_counted_here(
    wrong: Any, serve: Serve, target_at: At, work: Work
) -> None:
    usage = {"prompt_tokens": wrong, "completion_tokens": 5}
    body = chunk("Hi", "stop") + event({"choices": [], "usage": usage}) + DONE

    made = stream(target_at(serve(sends(body))), HELLO, work, limit_s=20)

    assert 0 < made.input_tokens < 100
    assert made.output_tokens == 5


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("openai", b"<html>Bad gateway</html>"),
        ("openai", b"data: <html>\n\n"),
        ("openai", b'data: {"choices": [{"delta": \n\n' + chunk("Hi") + END),
        ("openai", END),
        ("openai", chunk(" \n ", "stop")),
        ("openai", event({"choices": [{"delta": {"tool_calls": [{"id": "1"}]}}]}) + END),
        ("openai", b'{"detail": "Not Found"}'),
        ("openai", b"null"),
        ("openai", b"[" * 100_000),
        ("anthropic", TURN_END + claude("message_stop")),
        ("gemini", gemini(None, "MALFORMED_FUNCTION_CALL")),
        ("gemini", gemini(None, "STOP")),
    ],
)
def test_an_answer_that_says_nothing_is_unusable(
    protocol: str, body: bytes, serve: Serve, target_at: At, work: Work
) -> None:
    with pytest.raises(UnusableAnswer):
        stream(target_at(serve(sends(body)), protocol), HELLO, work, limit_s=20)


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("openai", b""),
        ("openai", chunk("Hi")),
        ("openai", chunk("Hi") + b'data: {"choices": [{"delta": {"con'),
        ("openai", chunk("Hi", "error")),
        ("openai", chunk("Hi") + event({"error": {"code": 502, "message": "no"}})),
        ("openai", event({"choices": [], "error": {"code": 502, "message": "no"}})),
        ("openai", event({"choices": [{"finish_reason": "error", "error": {"code": 502}}]})),
        ("openai", chunk("Hi") + event({"error": "upstream went away"})),
        ("openai", chunk("Hi") + event({"object": "error", "message": "no", "code": 500})),
        ("anthropic", said("Hi") + claude("content_block_stop", index=0)),
        ("anthropic", said("Hi") + claude("error", error={"type": "overloaded_error"})),
        ("gemini", gemini("Hi")),
        ("gemini", event({"error": {"code": 503, "status": "UNAVAILABLE"}})),
    ],
)
def test_an_answer_that_stops_in_the_middle_broke_off(
    protocol: str, body: bytes, serve: Serve, target_at: At, work: Work
) -> None:
    with pytest.raises(ProviderUnavailable):
        stream(target_at(serve(sends(body)), protocol), HELLO, work, limit_s=20)


@pytest.mark.parametrize("end", [b"", chunk(None, "stop") + DONE])
def test_a_failed_call_says_what_it_cost(
    end: bytes, serve: Serve, target_at: At, work: Work
) -> None:
    thoughts = event({"choices": [{"delta": {"reasoning_content": "Hm, " * 100}}]})

    with pytest.raises(TransientError):
        stream(target_at(serve(sends(thoughts + end))), HELLO, work, limit_s=20)

    assert work.bill.spent.input_tokens > 0
    assert work.bill.spent.output_tokens == 100


INTENT = '{"intent": "greeting", "confidence": 1}'


@pytest.mark.parametrize(
    ("protocol", "answer"),
    [
        ("openai", {"choices": [{"message": {"content": INTENT}}]}),
        ("openai", {"choices": [{"message": {"content": [{"type": "text", "text": INTENT}]}}]}),
        ("openai", {"choices": {"message": {"content": INTENT}}, "usage": None, "id": 4}),
        ("openai", {"choices": [{"message": {"content": INTENT}}], "usage": "none"}),
        ("anthropic", {"content": [{"type": "text", "text": INTENT}]}),
        ("anthropic", {"content": [{"type": "tool_use", "input": json.loads(INTENT)}],
                       "usage": None}),
        ("anthropic", {"type": "message", "content": INTENT, "stop_reason": None}),
        ("gemini", {"candidates": [{"content": {"parts": [{"text": INTENT}]}}]}),
    ],
)  # fmt: skip
def test_a_decision_is_read_in_any_shape(
    protocol: str, answer: Any, serve: Serve, target_at: At
) -> None:
    body = json.dumps({"type": "message"} | answer if protocol == "anthropic" else answer).encode()
    url = serve(sends(body, kind="application/json"))

    assert json.loads(ask_json(target_at(url, protocol), HELLO, {}, limit_s=20, max_tokens=9)) == (
        json.loads(INTENT)
    )


@pytest.mark.parametrize("protocol", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b"<html>", b'{"choices": null, "content": 3}', b"\xff\xfe"]
)
def test_a_decision_that_is_none_is_a_transient_failure(
    protocol: str, body: bytes, serve: Serve, target_at: At
) -> None:
    url = serve(sends(body, kind="application/json"))

    with pytest.raises(TransientError):
        ask_json(target_at(url, protocol), HELLO, {}, limit_s=20, max_tokens=9)


def test_a_model_may_repeat_itself(serve: Serve, target_at: At, work: Work) -> None:
    made = stream(target_at(serve(sends(chunk("-" * 9) * 300 + END))), HELLO, work, limit_s=20)

    assert made.text == "-" * 2700
