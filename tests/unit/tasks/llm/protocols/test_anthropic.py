"""The short way in which an event of plain text is read leads to what the long way does."""

from typing import Any

import pytest

from tasks.llm.protocols.anthropic import read

EVENT = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": EVENT,
    "empty": EVENT | {"delta": {"type": "text_delta", "text": ""}},
    "null": EVENT | {"delta": {"type": "text_delta", "text": None}},
    "no type": EVENT | {"delta": {"text": "Hi"}},
    "thought": EVENT | {"delta": {"type": "thinking_delta", "thinking": "Hm"}},
    "thought beside": EVENT | {"delta": {"type": "text_delta", "text": "Hi", "thinking": "Hm"}},
    "end": EVENT | {"delta": {"type": "text_delta", "text": "Hi", "stop_reason": "end_turn"}},
    "no delta": EVENT | {"delta": None},
    "usage": EVENT | {"usage": {"output_tokens": 3}},
    "another event": EVENT | {"type": "content_block_start"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_both_ways_lead_to_the_same(name: str) -> None:
    assert read(VARIANTS[name]) == read(VARIANTS[name] | {"unknown": 1})
