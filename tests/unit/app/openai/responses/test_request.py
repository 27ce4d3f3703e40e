"""Which requests are accepted and which are refused."""

import pytest
from pydantic import ValidationError

from app.http.problems import Refusal
from app.http.validation import field_errors
from app.openai.errors import FIELD_CODES
from app.openai.responses.input import Said, sort_input
from app.openai.responses.request import NewResponse, ResponseQuery

pytestmark = pytest.mark.usefixtures("settled")

ITEM = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Paris.", "annotations": [], "logprobs": []}],
}


def sorted_input(given: object, instructions: str | None = None) -> Said:
    return sort_input(NewResponse.model_validate({"input": given}).input, instructions)


def refusal(body: dict) -> tuple[str, str]:
    with pytest.raises(ValidationError) as refused:
        NewResponse.model_validate(body)
    first = field_errors(refused.value)[0]
    return first.field, FIELD_CODES.get(first.code, "invalid_value")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("Hello", Said("Hello", (), None)),
        ([{"role": "user", "content": "Hello"}], Said("Hello", (), None)),
        (
            [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "input_text", "text": "Capital?"}]},
                ITEM,
                {"role": "system", "content": "Be kind."},
                {"type": "message", "role": "user", "content": "And now?"},
            ],
            Said(
                "And now?", (("user", "Capital?"), ("assistant", "Paris.")), "Be brief.\n\nBe kind."
            ),
        ),
    ],
)
def test_an_input_is_a_text_or_messages(given, said):
    assert sorted_input(given) == said


def test_instructions_come_before_those_of_the_input():
    given = [{"role": "system", "content": "second"}, {"role": "user", "content": "x"}]

    assert sorted_input(given, "first").instructions == "first\n\nsecond"


@pytest.mark.parametrize(
    "given",
    [
        "",
        " \n",
        "x" * 1001,
        [{"role": "assistant", "content": "x"}],
        [ITEM],
        [{"role": "user", "content": " "}, {"role": "user", "content": "x"}],
        [{"role": "user", "content": "x" * 1001}, {"role": "user", "content": "x"}],
    ],
)
def test_an_input_that_can_not_be_answered_is_refused(given):
    with pytest.raises(Refusal) as refused:
        sorted_input(given)

    assert refused.value.problem.errors[0].field == "input"


def test_blank_instructions_are_refused():
    with pytest.raises(Refusal) as refused:
        sorted_input("x", " ")

    assert refused.value.problem.errors[0].field == "instructions"


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "input", "missing_required_parameter"),
        ({"input": None}, "input", "invalid_type"),
        ({"input": 5}, "input", "invalid_type"),
        ({"input": []}, "input", "array_below_min_length"),
        ({"input": [5]}, "input.0", "invalid_type"),
        ({"input": [{"role": "user"}]}, "input.0.content", "missing_required_parameter"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input.0.role", "invalid_value"),
        ({"input": [{"role": "user", "content": []}]}, "input.0.content", "array_below_min_length"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
            "input.0.content.0.type",
            "invalid_value",
        ),
        ({"input": "x", "model": 5}, "model", "invalid_type"),
        ({"input": "x", "model": "x" * 129}, "model", "string_above_max_length"),
        ({"input": "x", "temperature": 2.1}, "temperature", "number_above_max_value"),
        ({"input": "x", "temperature": -0.1}, "temperature", "number_below_min_value"),
        ({"input": "x", "temperature": True}, "temperature", "invalid_type"),
        ({"input": "x", "max_output_tokens": 15}, "max_output_tokens", "number_below_min_value"),
        ({"input": "x", "max_output_tokens": 16.5}, "max_output_tokens", "invalid_type"),
        ({"input": "x", "max_output_tokens": 10**9}, "max_output_tokens", "number_above_max_value"),
        ({"input": "x", "stream": 1}, "stream", "invalid_type"),
        ({"input": "x", "background": "yes"}, "background", "invalid_type"),
        ({"input": "x", "metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"input": "x", "store": False}, "store", "unsupported_parameter"),
        ({"input": "x", "tools": [{"type": "web_search"}]}, "tools", "unsupported_parameter"),
        ({"input": "x", "top_p": 0.5}, "top_p", "unsupported_parameter"),
        ({"input": "x", "parallel_tool_calls": 1}, "parallel_tool_calls", "unsupported_parameter"),
        ({"input": "x", "truncation": "disabled"}, "truncation", "unsupported_parameter"),
        ({"input": "x", "reasoning": {"effort": "low"}}, "reasoning", "unsupported_parameter"),
        ({"input": "x", "conversation": "conv_1"}, "conversation", "unsupported_parameter"),
        ({"input": "x", "user": "me"}, "user", "unsupported_parameter"),
        ({"input": "x", "wobble": 1}, "wobble", "unknown_parameter"),
    ],
)
def test_what_can_not_be_meant_or_is_not_there_is_refused_by_name(body, field, code):
    assert refusal(body) == (field, code)


def test_what_says_only_what_happens_anyway_is_accepted():
    body = NewResponse.model_validate(
        {
            "input": "x",
            "tools": [],
            "tool_choice": "none",
            "parallel_tool_calls": True,
            "text": {"format": {"type": "text"}},
            "truncation": "auto",
            "top_p": 1,
            "service_tier": "auto",
            "store": True,
            "include": [],
            "stream_options": {"include_obfuscation": False},
            "reasoning": None,
            "user": None,
        }
    )

    assert body.input[0].text == "x"


def test_every_parameter_that_openai_has_is_known_here(theirs):
    assert theirs.parameters() == set(NewResponse.model_fields)


@pytest.mark.parametrize(
    ("query", "after"),
    [
        ({}, None),
        ({"stream": "true"}, None),
        ({"stream": "true", "starting_after": "0"}, 0),
        ({"stream": "true", "include_obfuscation": "false"}, None),
    ],
)
def test_a_response_is_read_whole_or_as_a_stream(query, after):
    assert ResponseQuery.model_validate(query).after == after


def test_a_number_to_go_on_after_needs_a_stream():
    with pytest.raises(Refusal) as refused:
        _ = ResponseQuery(starting_after=5).after

    assert refused.value.problem.errors[0].field == "starting_after"


@pytest.mark.parametrize(
    "query",
    [
        {"starting_after": "-1"},
        {"starting_after": "x"},
        {"starting_after": "9" * 5000},
        {"stream": "maybe"},
        {"include_obfuscation": "true"},
        {"include": "x"},
    ],
)
def test_a_query_that_can_not_be_meant_is_refused_by_name(query):
    with pytest.raises(ValidationError) as refused:
        ResponseQuery.model_validate(query)

    assert field_errors(refused.value)[0].field in query
