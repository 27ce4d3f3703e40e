"""Which bodies a request can have."""

import json
import time
import tracemalloc

import pytest
from werkzeug.test import EnvironBuilder

from app.http.error_handlers import problem_of
from app.http.errors import MalformedJson, UnsupportedMediaType
from app.http.problems import Refusal
from app.http.request_body import MAX_DEPTH, JsonRequest, parse, refuse_unclean


def request(data: bytes, content_type: str = "application/json") -> JsonRequest:
    builder = EnvironBuilder(method="POST", data=data, content_type=content_type)
    return JsonRequest(builder.get_environ())


def refusal(data: bytes) -> tuple[int, str]:
    with pytest.raises((Refusal, MalformedJson)) as refused:
        parse(data)
    problem = problem_of(refused.value)
    return problem.status, problem.errors[0].code if problem.errors else problem.code


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"message": "x"',
        b"{'message': 'x'}",
        b'{"message": NaN}',
        b'{"message": -Infinity}',
        b'{"message": "\xff"}',
        '{"message": "x"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"message": "x"}',
        b'{"message": "a\x00b"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"message": ' + b"1" * 5_000 + b"}",
    ],
)
def test_what_is_no_json_is_malformed(data):
    assert refusal(data) == (400, "malformed_json")


@pytest.mark.parametrize(
    "data", [b"[]", b"null", b"7", b'"x"', b'"{\\"message\\":\\"x\\"}"', b'[{"message":"x"}]']
)
def test_json_that_is_no_object_is_refused_and_never_parsed_again(data):
    assert refusal(data) == (422, "not_an_object")


def test_of_a_name_that_comes_twice_the_last_counts():
    assert parse(b'{"message": "a", "message": "b"}') == {"message": "b"}


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_another_content_type_is_refused_however_silent_the_question(content_type):
    with pytest.raises(UnsupportedMediaType) as refused:
        request(b'{"message": "x"}', content_type).get_json(silent=True)

    assert problem_of(refused.value).status == 415


def test_no_body_and_no_content_type_are_an_empty_object():
    assert request(b"", "").get_json() == {}


def test_the_content_type_may_name_a_charset():
    asked = request(b'{"message": "x"}', "application/json; charset=utf-8")

    assert asked.get_json() == {"message": "x"}


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"message": "a\x00"}, "message", "null_character"),
        ({"message": "\ud800"}, "message", "lone_surrogate"),
        ({"metadata": {"a": "\x00"}}, "metadata.a", "null_character"),
        ({"metadata": {"\x00": "a"}}, "metadata", "null_character"),
        ({"metadata": {"\udfff": "a"}}, "metadata", "lone_surrogate"),
        ({"a": [["b", {"c": "\x00"}]]}, "a.0.1.c", "null_character"),
        ({"\x00": 1}, "", "null_character"),
    ],
)
def test_text_that_can_not_be_stored_is_refused_by_the_field_that_holds_it(body, field, code):
    with pytest.raises(Refusal) as refused:
        refuse_unclean(body)

    [error] = refused.value.problem.errors
    assert (refused.value.problem.status, error.field, error.code) == (422, field, code)


def test_text_of_every_script_is_clean():
    refuse_unclean(
        {"message": "🌍 \u202e العربية \ufffe \U0010ffff \x01", "metadata": {"ключ": ""}}
    )


def nested(depth: int, inside: str = "0") -> bytes:
    lists = depth - 1
    return ('{"metadata":' + "[" * lists + inside + "]" * lists + "}").encode()


def test_what_is_nested_as_deep_as_may_be_is_read():
    assert request(nested(MAX_DEPTH)).get_json() == json.loads(nested(MAX_DEPTH))


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 900, 100_000])
def test_what_is_nested_deeper_is_refused_with_the_limit(depth):
    with pytest.raises(MalformedJson) as refused:
        request(nested(depth)).get_json()

    problem = problem_of(refused.value)
    assert (problem.status, problem.code) == (400, "malformed_json")
    assert str(MAX_DEPTH) in problem.detail


@pytest.mark.parametrize("inside", ["0", '"x"', "{}", "[]", '{"a":"b"}'])
def test_many_items_deep_inside_cost_no_more_than_many_items(inside):
    body = parse(nested(MAX_DEPTH - 2, ",".join([inside] * 20_000)))
    tracemalloc.start()
    began = time.process_time()
    refuse_unclean(body)
    spent = time.process_time() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 1_000_000
    assert spent < 2
