"""The local classifier."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.minds import BUILT_IN, read_minds
from tasks.nlu.local import HEAD_CHARS, PATTERNS, TAIL_CHARS, classify

EXAMPLES = {
    "greeting": ["Hello!", "hi there", "Thanks a lot!", "Good morning", "How are you?"],
    "question": ["What is the capital of France?", "Who wrote Faust?", "Tell me about otters."],
    "coding": [
        "Write a Python function that reverses a list.",
        "Why does this code raise an exception?\n```\nfoo()\n```",
        "Refactor this class to use a SQL query",
    ],
    "math": ["What is 12 * 7?", "Solve for x: the derivative is 3", "Calculate 15 percent of 80"],
    "reasoning": [
        "Compare these two plans and weigh the pros and cons step by step.",
        "Should I rent or buy? Which is better?",
    ],
    "writing": ["Write a short poem about rain", "Translate this into German: good night"],
    "extraction": [
        "Extract the names and dates from the text below.",
        "List all cities in the text",
    ],
}


@pytest.mark.parametrize(
    ("intent", "message"), [(intent, m) for intent, ms in EXAMPLES.items() for m in ms]
)
def test_a_plain_message_is_understood(intent: str, message: str) -> None:
    assert classify(message).intent == intent


@pytest.mark.parametrize("message", ["", "   ", "zzz", "\N{SLIGHTLY SMILING FACE}"])
def test_a_message_without_signs_is_other_and_not_sure(message: str) -> None:
    found = classify(message)

    assert found.intent == "other"
    assert found.confidence < 0.5


def test_one_clear_intent_is_surer_than_a_mixture() -> None:
    clear = classify("Hello!")
    mixed = classify("Hello, compare this code and calculate 2 + 2, step by step?")

    assert clear.confidence > mixed.confidence


def test_the_middle_of_a_long_message_is_material() -> None:
    material = "word " * HEAD_CHARS + " calculate 2 + 2 " + "word " * TAIL_CHARS

    assert classify(f"Translate this: {material}").intent == "writing"


def test_every_intent_it_names_is_in_the_built_in_table() -> None:
    assert PATTERNS.keys() | {"other"} <= read_minds(BUILT_IN).intents.keys()


@given(st.text(max_size=4000))
def test_any_text_has_an_intent(message: str) -> None:
    found = classify(message)

    assert found.intent in PATTERNS.keys() | {"other"}
    assert 0 <= found.confidence <= 0.95
