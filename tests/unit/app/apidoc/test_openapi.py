"""The OpenAPI document and its page."""

import json
import re

import pytest

from app.factory import create_app
from app.openai.errors import speaks_openai
from config.settings import get_settings

CALLS = {
    ("post", "/v1/jobs"): {
        "200",
        "202",
        "400",
        "401",
        "402",
        "404",
        "409",
        "413",
        "415",
        "422",
        "429",
        "500",
        "503",
    },
    ("get", "/v1/jobs"): {"200", "400", "401", "422", "429", "500", "503"},
    ("get", "/v1/jobs/{job_id}"): {"200", "304", "400", "401", "404", "422", "429", "500", "503"},
    ("get", "/v1/jobs/{job_id}/events"): {
        "200",
        "204",
        "400",
        "401",
        "404",
        "422",
        "429",
        "500",
        "503",
    },
    ("post", "/v1/jobs/{job_id}/cancel"): {
        "200",
        "400",
        "401",
        "404",
        "409",
        "422",
        "429",
        "500",
        "503",
    },
    ("post", "/v1/broadcasts"): {
        *("200", "202", "400", "401", "402", "404", "409", "413", "415", "422", "429", "500", "503")
    },
    ("get", "/v1/broadcasts"): {"200", "400", "401", "422", "429", "500", "503"},
    ("get", "/v1/broadcasts/{broadcast_id}/events"): {
        *("200", "204", "400", "401", "404", "422", "429", "500", "503")
    },
    ("get", "/v1/broadcasts/{broadcast_id}"): {
        "200",
        "304",
        "400",
        "401",
        "404",
        "422",
        "429",
        "500",
        "503",
    },
    ("post", "/v1/broadcasts/{broadcast_id}/cancel"): {
        *("200", "400", "401", "404", "409", "422", "429", "500", "503")
    },
    ("post", "/v1/broadcasts/{broadcast_id}/merge"): {
        *("200", "202", "400", "401", "402", "404", "409", "413", "415", "422", "429", "500", "503")
    },
    ("post", "/v1/broadcasts/{broadcast_id}/choose"): {
        *("200", "400", "401", "404", "413", "415", "422", "429", "500", "503")
    },
    ("get", "/v1/conversations"): {"200", "400", "401", "422", "429", "500", "503"},
    ("post", "/v1/conversations"): {
        "201",
        "400",
        "401",
        "409",
        "413",
        "415",
        "422",
        "429",
        "500",
        "503",
    },
    ("post", "/v1/responses"): {
        *("200", "400", "401", "404", "409", "413", "415", "429", "500", "503", "504")
    },
    ("get", "/v1/responses/{response_id}"): {"200", "400", "401", "404", "429", "500", "503"},
    ("post", "/v1/responses/{response_id}/cancel"): {
        "200",
        "400",
        "401",
        "404",
        "429",
        "500",
        "503",
    },
    ("post", "/v1/keys"): {*("201", "400", "401", "409", "413", "415", "422", "429", "500", "503")},
    ("delete", "/v1/keys/{key_id}"): {*("204", "400", "401", "404", "422", "429", "500", "503")},
    ("get", "/healthz"): {"200", "400", "500"},
    ("get", "/metrics"): {"200", "401", "429", "500", "503"},
    ("get", "/readyz"): {"200", "400", "500", "503"},
}


# Of every call that users make.
OF_USERS = {"403"}
SUBMITTING = ("/v1/jobs", "/v1/broadcasts", "/v1/broadcasts/{broadcast_id}/merge")
CREATING = (
    *SUBMITTING,
    "/v1/jobs/{job_id}/retry",
    "/v1/conversations",
    "/v1/keys",
    "/v1/keys/{key_id}/rotate",
    "/v1/responses",
    "/api/chat",
    "/api/v1/jobs/process-ai-job",
)


@pytest.fixture
def document(client) -> dict:
    return client.get("/openapi.json").json


def test_the_document_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Trimind"


@pytest.mark.parametrize(("call", "statuses"), CALLS.items())
def test_every_status_of_a_call_is_documented(document, call, statuses):
    method, path = call

    operation = document["paths"][path][method]
    of_users = OF_USERS if {"api_key": []} in operation.get("security", []) else set()
    assert set(operation["responses"]) == statuses | of_users


def test_every_failure_is_documented_as_a_problem_or_as_openai_would(document):
    for path, item in document["paths"].items():
        shape = "application/json" if speaks_openai(path) else "application/problem+json"
        for operation in item.values():
            for status, response in operation["responses"].items():
                if status >= "400" and (path, status) != ("/readyz", "503"):
                    assert list(response["content"]) == [shape], path


def test_every_call_but_health_says_who_may_make_it(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            asks = bool(operation.get("security"))
            signs_in = (method, path) == ("post", "/v1/session")
            assert asks != (signs_in or path.endswith(("healthz", "readyz", "health"))), path
            assert operation["summary"]


@pytest.mark.parametrize("path", CREATING)
def test_every_call_that_creates_names_the_header_that_makes_it_once(document, path):
    headers = {each["name"] for each in document["paths"][path]["post"]["parameters"]}

    assert "Idempotency-Key" in headers
    assert ("Cancel-After" in headers) == (path in SUBMITTING)


def test_a_body_is_required_if_one_of_its_fields_is(document):
    for path, item in document["paths"].items():
        for method, call in item.items():
            if (body := call.get("requestBody")) and "application/json" in body["content"]:
                name = body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
                shape = document["components"]["schemas"][name]
                needs = any(shape.get(key) for key in ("required", "minProperties", "oneOf"))
                assert body["required"] == needs, (method, path)


def test_every_reference_leads_somewhere(document):
    found = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))

    assert found
    assert found <= set(document["components"]["schemas"])


def test_the_page_loads_nothing_from_elsewhere(client):
    page = client.get("/docs")

    assert page.mimetype == "text/html"
    assert "http" not in page.text
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert parts
    for part in parts:
        assert client.get(f"/{part}").status_code == 200


@pytest.mark.parametrize("off", ["off", "0", "false"])
def test_the_page_and_the_document_can_be_switched_off(settled, monkeypatch, off):
    monkeypatch.setenv("DOCS", off)
    get_settings.cache_clear()
    client = create_app().test_client()

    for path in ("/docs", "/docs/", "/openapi.json", "/docs/swagger/js/swagger-ui-bundle.js"):
        assert client.get(path).status_code == 404, path
    assert client.get("/healthz").status_code == 200


def test_a_response_is_documented_as_json_and_as_events(document):
    for path in ("/v1/responses", "/v1/responses/{response_id}"):
        call = document["paths"][path]["post" if path.endswith("s") else "get"]
        assert set(call["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    cancel = document["paths"]["/v1/responses/{response_id}/cancel"]["post"]
    assert set(cancel["responses"]["200"]["content"]) == {"application/json"}


def test_what_a_response_may_be_asked_for_is_documented_with_an_example(document):
    asked = document["components"]["schemas"]["NewResponse"]

    assert asked["example"]["input"]
    assert asked["properties"]["tools"]["anyOf"] == [
        {"type": "array", "items": {}, "maxItems": 0},
        {"type": "null"},
    ]
    assert "description" in asked["properties"]["model"]
