"""/v1/responses against real PostgreSQL and Valkey; no worker works."""

import time
from typing import Any

import openai
import pytest
from flask.testing import FlaskClient
from openai.types.responses import Response
from pydantic import TypeAdapter
from sqlalchemy import select, update

from app.http.idempotency import REPLAYED
from config.minds import MANAGER
from config.settings import get_settings
from models.jobs import Job
from models.session import unit_of_work

from .rows import store_as_before

QUESTION = "What is the capital of France?"
UNKNOWN = "resp_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"
KEY = {"Idempotency-Key": "once"}
STRICT: TypeAdapter[Response] = TypeAdapter(Response)


def create(client: FlaskClient, **body: object) -> dict[str, Any]:
    response = client.post("/v1/responses", json={"input": QUESTION, "background": True, **body})
    assert response.status_code == 200, response.text
    STRICT.validate_python(response.json, strict=True)
    return response.get_json()


def refusal(client: FlaskClient, **body: object) -> tuple[int, str | None, str | None]:
    response = client.post("/v1/responses", json={"input": QUESTION, **body})
    assert response.mimetype == "application/json"
    assert list(response.get_json()) == ["error"], response.text
    error = response.json["error"]
    return response.status_code, error["param"], error["code"]


def job_of(response: dict[str, Any]) -> str:
    return response["id"].replace("resp_", "job_")


def change(response: dict[str, Any], **columns: object) -> None:
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_of(response)).values(**columns))


def end(response: dict[str, Any], status: str = "completed", **columns: object) -> None:
    change(response, status=status, slot=None, completed_at=Job.created_at, **columns)


def kept(response: dict[str, Any]) -> Job:
    with unit_of_work() as session:
        return session.scalars(select(Job).where(Job.id == job_of(response))).one()


def test_a_response_in_the_background_is_queued_at_once(client):
    response = create(client, metadata={"ticket": "7"})

    assert (response["status"], response["object"]) == ("queued", "response")
    assert (response["background"], response["metadata"]) == (True, {"ticket": "7"})
    assert (response["output"], response["usage"], response["error"]) == ([], None, None)
    assert client.get(f"/v1/responses/{response['id']}").json == response


def test_a_response_is_the_job_of_the_same_ulid(client):
    response = create(client)
    job = client.post("/v1/jobs", json={"message": QUESTION}).json

    assert client.get(f"/v1/jobs/{job_of(response)}").json["status"] == "queued"
    other = client.get(f"/v1/responses/{job['id'].replace('job_', 'resp_')}")
    assert (other.status_code, other.json["status"]) == (200, "queued")


@pytest.fixture
def limits(monkeypatch):
    """`limits(WAIT_MAX_S=…, RESPONSE_HOLD_S=…)`: how long a call waits and is held open."""

    def change(**seconds: int) -> None:
        for name, value in seconds.items():
            monkeypatch.setenv(name, str(value))
        get_settings.cache_clear()

    yield change
    monkeypatch.undo()
    get_settings.cache_clear()


def test_without_background_it_is_waited_for_so_long_and_no_longer(client, limits):
    limits(RESPONSE_HOLD_S=1)
    started = time.monotonic()

    response = client.post("/v1/responses", json={"input": QUESTION})

    assert 1 <= time.monotonic() - started < 5
    error = response.json["error"]
    assert (response.status_code, error["code"]) == (504, "response_unfinished")
    assert int(response.headers["Retry-After"]) >= 1
    [job] = client.get("/v1/jobs").json["data"]
    assert job["id"].replace("job_", "resp_") in error["message"]


def test_what_is_asked_for_is_kept_with_the_job(client):
    response = create(
        client,
        model="embedded/smollm2-135m-instruct",
        instructions="Be brief.",
        temperature=0,
        max_output_tokens=50,
        input=[
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi."},
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": QUESTION},
        ],
    )

    assert response["model"] == "embedded/smollm2-135m-instruct"
    assert response["instructions"] == "Be brief.\n\nBe kind."
    assert (response["temperature"], response["max_output_tokens"]) == (0, 50)
    assert kept(response).options == {
        "instructions": "Be brief.\n\nBe kind.",
        "model": "embedded/smollm2-135m-instruct",
        "temperature": 0,
        "max_tokens": 50,
        "history": [["user", "Hello"], ["assistant", "Hi."]],
        "background": True,
    }
    talk = f"/v1/conversations/{response['conversation']['id']}/messages"
    assert [each["content"] for each in client.get(talk).json["data"]] == [QUESTION]


@pytest.mark.parametrize(("model", "mind"), [("muse", "muse"), ("auto", "sage"), (None, "sage")])
def test_a_mind_is_asked_by_its_name(client, model, mind):
    assert kept(create(client, model=model)).mind == mind


def test_the_same_key_is_the_same_response(client):
    body = {"input": QUESTION, "background": True}
    first, again = (client.post("/v1/responses", json=body, headers=KEY) for _ in range(2))
    other = client.post("/v1/responses", json={**body, "input": "Other"}, headers=KEY)

    assert first.json == again.json
    assert again.headers[REPLAYED] == "true"
    assert other.status_code == 400
    assert other.json["error"]["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("stored", [lambda: None, lambda: store_as_before(KEY["Idempotency-Key"])])
def test_the_same_key_waits_for_the_same_response(client, limits, stored):
    limits(RESPONSE_HOLD_S=1)
    body = {"input": QUESTION}
    assert client.post("/v1/responses", json=body, headers=KEY).status_code == 504
    [job] = client.get("/v1/jobs").json["data"]
    end(job, answer="Paris.", finish_reason="stop")
    stored()

    again = client.post("/v1/responses", json=body, headers=KEY)

    assert (job_of(again.json), again.json["status"]) == (job["id"], "completed")
    assert again.headers[REPLAYED] == "true"


def test_a_completed_response_has_its_text_and_its_usage(client):
    response = create(client)
    end(response, answer="Paris.", finish_reason="stop", input_tokens=7, output_tokens=3)

    read = STRICT.validate_python(client.get(f"/v1/responses/{response['id']}").json, strict=True)

    assert (read.status, read.output_text) == ("completed", "Paris.")
    assert read.usage is not None
    assert (read.usage.input_tokens, read.usage.total_tokens) == (7, 10)


# --- going on


def test_a_response_goes_on_from_another_in_its_conversation_and_mind(client):
    first = create(client, model="muse", instructions="Rhyme.")
    end(first, answer="Paris.", finish_reason="stop")

    second = create(client, previous_response_id=first["id"])
    sage = create(client, previous_response_id=first["id"], model="sage")

    assert second["previous_response_id"] == first["id"]
    assert second["conversation"] == first["conversation"]
    assert second["instructions"] is None
    assert (kept(second).mind, kept(sage).mind) == ("muse", "sage")
    assert kept(second).previous_id == job_of(first)


def test_a_response_goes_on_from_a_job_of_another_call(client):
    job = client.post("/v1/jobs", json={"message": QUESTION}).json
    first = {"id": job["id"].replace("job_", "resp_")}
    end(first, answer="Paris.", finish_reason="stop")

    assert create(client, previous_response_id=first["id"])["conversation"] == {
        "id": job["conversation_id"]
    }


def test_the_default_mind_goes_on_where_the_manager_made_one_answer_of_several(client):
    first = create(client)
    end(first, answer="Paris.", finish_reason="stop", mind=MANAGER)

    assert kept(create(client, previous_response_id=first["id"])).mind == "sage"


def test_an_unknown_or_foreign_response_cannot_be_continued(client, stranger):
    foreign = create(stranger)
    end(foreign, answer="Paris.", finish_reason="stop")

    for previous in (foreign["id"], UNKNOWN, job_of(foreign), "x", "\ufffe" * 9):
        assert refusal(client, previous_response_id=previous) == (
            400,
            "previous_response_id",
            "previous_response_not_found",
        )
    assert client.get("/v1/jobs").json["data"] == []


@pytest.mark.parametrize("status", ["queued", "failed", "cancelled", "expired"])
def test_an_unfinished_response_cannot_be_continued(client, status):
    first = create(client)
    if status != "queued":
        end(first, status)

    body = {"input": QUESTION, "previous_response_id": first["id"]}
    response = client.post("/v1/responses", json=body)

    assert response.status_code == 400
    error = response.json["error"]
    assert (error["param"], error["code"]) == (
        "previous_response_id",
        "previous_response_not_completed",
    )
    assert status in error["message"]


# --- refusals


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools", "unsupported_parameter"),
        ({"store": False}, "store", "unsupported_parameter"),
        ({"wobble": 1}, "wobble", "unknown_parameter"),
        ({"model": "gpt-4o"}, "model", "model_not_found"),
        ({"temperature": 3}, "temperature", "number_above_max_value"),
        ({"input": " "}, "input", "invalid_value"),
        ({"input": "a\0b"}, "input", "invalid_value"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input[0].content[0].type",
            "invalid_value",
        ),
        ({"metadata": {"a": "\ud800"}}, "metadata.a", "invalid_value"),
    ],
)
def test_what_is_not_supported_is_refused_by_name_and_nothing_is_made(client, body, param, code):
    assert refusal(client, **body) == (400, param, code)
    assert client.get("/v1/jobs").json["data"] == []


@pytest.mark.parametrize(
    ("data", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed_json"),
        (b"[]", "application/json", 400, "invalid_type"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b" " * 10_000_000, "application/json", 413, "body_too_large"),
    ],
)
def test_a_body_is_refused_for_what_is_wrong_with_it(client, data, content_type, status, code):
    response = client.post("/v1/responses", data=data, content_type=content_type)

    assert (response.status_code, response.json["error"]["code"]) == (status, code)


@pytest.mark.parametrize("path", ["", "/cancel", "?stream=true"])
def test_a_foreign_response_is_as_unknown_as_none(client, stranger, path):
    response = create(client)
    call = stranger.post if path == "/cancel" else stranger.get

    answers = [
        call(f"/v1/responses/{name}{path}")
        for name in (response["id"], UNKNOWN, job_of(response), "x", "%ED%A0%80", "resp_%00")
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json["error"]["code"] for answer in answers} == {"not_found"}
    assert answers[0].json == answers[1].json
    assert kept(response).status == "queued"


def test_a_key_in_a_header_that_can_not_be_meant_is_refused(client):
    body = {"input": QUESTION}
    response = client.post("/v1/responses", json=body, headers={"Idempotency-Key": "a b"})

    assert response.status_code == 400
    assert response.json["error"]["param"] == "Idempotency-Key"


# --- cancel


def test_a_response_is_cancelled_and_again(client):
    response = create(client)
    first, again = (client.post(f"/v1/responses/{response['id']}/cancel") for _ in range(2))

    assert (first.status_code, first.json["status"]) == (200, "cancelled")
    assert again.json == first.json
    assert kept(response).status == "cancelled"


@pytest.mark.parametrize(
    ("status", "columns", "shown"),
    [
        ("completed", {"answer": "x", "finish_reason": "stop"}, "completed"),
        ("completed", {"answer": "x", "finish_reason": "length"}, "incomplete"),
        ("failed", {}, "failed"),
        ("expired", {}, "failed"),
    ],
)
def test_a_response_that_has_ended_can_not_be_cancelled(client, status, columns, shown):
    response = create(client)
    end(response, status, **columns)

    refused = client.post(f"/v1/responses/{response['id']}/cancel")

    assert refused.status_code == 400
    error = refused.json["error"]
    assert (error["code"], error["type"]) == (f"job_{status}", "invalid_request_error")
    assert shown in error["message"]


# --- streams


def events_in(text: str) -> list[str]:
    return [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event")]


def test_a_response_that_has_ended_is_streamed_for_good(client):
    response = create(client)
    stages = {
        name: {"status": "completed", "ms": 1, "began": began, "ended": ended}
        for name, (began, ended) in {
            "intent": (2, 3),
            "compress": (4, 5),
            "generate": (7, 15),
            "persist": (17, 18),
        }.items()
    }
    end(response, answer="Paris.", finish_reason="stop", stages=stages, text_base=8, sequence=19)

    whole = client.get(f"/v1/responses/{response['id']}?stream=true")

    assert whole.mimetype == "text/event-stream"
    assert events_in(whole.text) == [
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    rest = client.get(f"/v1/responses/{response['id']}?stream=true&starting_after=11")
    assert '"delta":"is."' in rest.text
    assert events_in(rest.text) == events_in(whole.text)[5:]
    assert client.get(f"/v1/responses/{response['id']}?stream=true&starting_after=19").text == ""


def test_a_response_that_is_cancelled_ends_its_stream(client):
    response = create(client)
    client.post(f"/v1/responses/{response['id']}/cancel")

    streamed = client.get(f"/v1/responses/{response['id']}?stream=true").text

    assert events_in(streamed) == ["response.created", "response.queued", "response.cancelled"]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("starting_after=1", "starting_after"),
        ("stream=true&starting_after=-1", "starting_after"),
        ("stream=true&starting_after=x", "starting_after"),
        ("stream=true&starting_after=99999999999999999999", "starting_after"),
        ("stream=maybe", "stream"),
        ("include=x", "include"),
    ],
)
def test_a_query_that_can_not_be_meant_is_refused_by_name(client, query, param):
    response = client.get(f"/v1/responses/{create(client)['id']}?{query}")

    assert response.status_code == 400
    assert response.json["error"]["param"] == param


def test_where_no_place_is_free_for_a_stream_nothing_is_made(serve):
    client = serve(WEB_STREAMS="1")
    body = {"input": QUESTION, "stream": True}
    with client.stream("POST", "/v1/responses", json=body) as first:
        assert first.status_code == 200

        refused = client.post("/v1/responses", json=body)

        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "too_many_streams"
        assert int(refused.headers["Retry-After"]) >= 1
        assert len(client.get("/v1/jobs").json()["data"]) == 1


def test_the_stock_client_meets_failures_as_its_own_errors(serve, backends):
    web = serve()
    http = openai.DefaultHttpxClient(transport=web._transport)
    secret = backends["SHARED_SECRET"]
    headers = {"X-Trimind-User": web.headers["X-Trimind-User"]}

    def client(key: str) -> openai.OpenAI:
        return openai.OpenAI(
            base_url="http://web/v1",
            api_key=key,
            default_headers=headers,
            http_client=http,
            max_retries=0,
        )

    with pytest.raises(openai.AuthenticationError) as unknown:
        client("tm_wrong").responses.create(input=QUESTION)
    with pytest.raises(openai.BadRequestError) as bad:
        client(secret).responses.create(input=QUESTION, tools=[{"type": "web_search"}])
    with pytest.raises(openai.NotFoundError) as nothing:
        client(secret).responses.retrieve(UNKNOWN)

    assert unknown.value.code == "invalid_api_key"
    assert (bad.value.param, bad.value.code) == ("tools", "unsupported_parameter")
    assert (nothing.value.code, nothing.value.type) == ("not_found", "invalid_request_error")
