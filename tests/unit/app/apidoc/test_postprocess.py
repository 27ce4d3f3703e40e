"""The OpenAPI document has descriptions, correct examples and headers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

# These need no description.
PLAIN = {
    *("id", "object", "type", "status", "role", "name", "code", "text", "content", "reason"),
    *("created_at", "conversation_id", "temperature", "input_tokens", "output_tokens"),
    *("total_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"),
}
# OpenAI's, which are always the same here.
FIXED = {
    *("annotations", "logprobs", "top_p", "tools", "tool_choice", "parallel_tool_calls"),
    *("truncation", "service_tier", "store"),
}


@pytest.fixture
def document(client) -> dict:
    return client.get("/openapi.json").json


@pytest.fixture
def calls(document) -> list[dict]:
    return [call for item in document["paths"].values() for call in item.values()]


def media_types(calls: list[dict]) -> Iterator[dict[str, Any]]:
    for call in calls:
        for whole in (call.get("requestBody", {}), *call["responses"].values()):
            yield from whole.get("content", {}).values()


def test_every_call_and_every_parameter_is_described(calls):
    for call in calls:
        assert call["summary"]
        assert call["description"]
        for parameter in call.get("parameters", []):
            assert parameter["description"], (call["summary"], parameter["name"])


def test_a_docstring_becomes_a_summary_and_paragraphs(document):
    call = document["paths"]["/v1/responses"]["post"]

    assert call["summary"] == "Create a response"
    assert call["description"].startswith("Returns once the response has ended. If that takes")
    assert "no `output`.\n\nWith `background`" in call["description"]
    assert "<br/>" not in json.dumps(document)
    for name, shape in document["components"]["schemas"].items():
        assert "\n" not in shape["description"], name


def test_every_field_is_described_where_its_name_does_not_say_all(document):
    for name, shape in document["components"]["schemas"].items():
        assert shape["description"], name
        for field, schema in shape["properties"].items():
            assert "description" in schema or "$ref" in schema or field in PLAIN | FIXED, (
                name,
                field,
            )


def test_every_body_has_an_example_that_fits_it(document, calls):
    for media_type in media_types(calls):
        schema = media_type["schema"]
        named = document["components"]["schemas"].get(schema.get("$ref", "").rsplit("/", 1)[-1])
        example = media_type.get("example") or named["example"]
        whole = {"components": document["components"], **schema}
        Draft202012Validator(whole).validate(example)


def test_a_parameter_is_never_null(calls):
    for call in calls:
        for parameter in call.get("parameters", []):
            assert "null" not in json.dumps(parameter["schema"]), parameter["name"]


@pytest.mark.parametrize(
    ("path", "status", "names"),
    [
        ("/v1/jobs", "202", {"Location", "Retry-After", "Preference-Applied"}),
        ("/v1/jobs", "202", {"Idempotent-Replayed"}),
        ("/v1/jobs", "401", {"WWW-Authenticate"}),
        ("/v1/jobs", "409", {"Retry-After"}),
        ("/v1/jobs", "202", {"RateLimit", "RateLimit-Policy"}),
        ("/v1/jobs", "429", {"Retry-After", "RateLimit", "RateLimit-Policy"}),
        ("/v1/jobs", "402", {"Retry-After", "RateLimit", "RateLimit-Policy"}),
        ("/v1/jobs", "503", {"Retry-After"}),
        ("/v1/responses", "200", {"x-ratelimit-limit-requests", "x-ratelimit-reset-requests"}),
        ("/v1/responses", "429", {"x-ratelimit-remaining-requests", "RateLimit", "Retry-After"}),
        ("/v1/responses", "503", {"Retry-After"}),
    ],
)
def test_the_headers_of_an_answer_are_documented(document, path, status, names):
    headers = document["paths"][path]["post"]["responses"][status]["headers"]

    assert names | {"X-Request-Id"} <= set(headers)


def test_a_job_that_is_read_has_an_etag_whether_it_has_changed_or_not(document):
    answers = document["paths"]["/v1/jobs/{job_id}"]["get"]["responses"]

    assert [status for status in answers if "ETag" in answers[status]["headers"]] == ["200", "304"]


def test_no_name_of_metadata_is_longer_than_what_is_accepted(document):
    metadata = document["components"]["schemas"]["NewJob"]["properties"]["metadata"]

    assert metadata["propertyNames"] == {"maxLength": 64}


def test_nothing_is_sent_that_the_reader_did_not_write(calls):
    for call in calls:
        for parameter in call.get("parameters", []):
            if parameter["in"] != "path":
                given = {"example", "examples", "default"} & {*parameter, *parameter["schema"]}
                assert given <= {"default"}, parameter["name"]
                assert parameter["in"] == "query" or not given, parameter["name"]


def test_no_enum_has_values_of_several_types(document):
    def enums(node: Any) -> Iterator[list[Any]]:
        if isinstance(node, dict):
            if isinstance(node.get("enum"), list):
                yield node["enum"]
            node = list(node.values())
        for child in node if isinstance(node, list) else ():
            yield from enums(child)

    found = list(enums(document))
    assert found
    assert all({type(value) for value in enum} == {str} for enum in found)


def test_every_call_has_a_readable_id_of_its_own(calls):
    ids = [call["operationId"] for call in calls]

    assert len(set(ids)) == len(ids)
    assert {"submit_job", "read_job", "cancel_job", "create_response"} <= set(ids)
    assert not [each for each in ids if "__" in each or each.endswith(("_get", "_post"))]


def test_where_it_is_served_its_licence_and_who_may_call_are_said(document, calls):
    assert document["servers"][0]["url"] == "/"
    assert document["info"]["license"]["identifier"] == "MIT"
    assert document["info"]["contact"]["name"]
    assert all("security" in call for call in calls)
