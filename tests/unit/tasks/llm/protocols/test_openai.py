"""The short way in which a chunk of plain text is read leads to what the long way does."""

from typing import Any

import pytest

from tasks.llm.protocols.openai import read

CHUNK: dict[str, Any] = {
    "id": "c",
    "object": "chat.completion.chunk",
    "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None, "logprobs": None}],
}


def with_choice(**more: Any) -> dict[str, Any]:
    return CHUNK | {"choices": [CHUNK["choices"][0] | more]}


VARIANTS = {
    "plain": CHUNK,
    "role": with_choice(delta={"role": "assistant", "content": "Hi"}),
    "role alone": with_choice(delta={"role": "assistant"}),
    "empty": with_choice(delta={"content": ""}),
    "null": with_choice(delta={"content": None}),
    "parts": with_choice(delta={"content": [{"text": "Hi"}]}),
    "refusal": with_choice(delta={"content": "Hi", "refusal": "No"}),
    "thought": with_choice(delta={"content": "Hi", "reasoning_content": "Hm"}),
    "no delta": with_choice(delta=None),
    "end": with_choice(finish_reason="length"),
    "an empty reason": with_choice(finish_reason=""),
    "message": with_choice(message={"content": "Hi"}),
    "usage": CHUNK | {"usage": {"prompt_tokens": 3, "completion_tokens": 1}},
    "groq's usage": CHUNK | {"x_groq": {"usage": {"completion_tokens": 1}}},
    "usage null": CHUNK | {"usage": None},
    "two choices": CHUNK
    | {"choices": [{"index": 1, "delta": {"content": "no"}}, *CHUNK["choices"]]},
    "none": CHUNK | {"choices": []},
    "one in no list": CHUNK | {"choices": CHUNK["choices"][0]},
    "another object": CHUNK | {"object": "chat.completion"},
    "another index": with_choice(index=1),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_both_ways_lead_to_the_same(name: str) -> None:
    chunk = VARIANTS[name]
    long = {**chunk, "x_groq": chunk.get("x_groq", {})}  # which only the long way reads

    assert read(chunk) == read(long)


@pytest.mark.parametrize("more", [{"error": {"code": 500}}, {"type": "error"}])
def test_an_error_is_one_beside_text(more: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="500"):
        read(CHUNK | more)
    with pytest.raises(Exception, match="500"):
        read(with_choice(**more))
