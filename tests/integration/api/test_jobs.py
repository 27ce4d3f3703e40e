"""/v1/jobs against real PostgreSQL and Valkey."""

import pytest
from flask.testing import FlaskClient

from models.jobs import Job

from .rows import change

QUESTION = "What is the capital of France?"
KEYS = [
    "id",
    "object",
    "status",
    "mind",
    "conversation_id",
    "message_id",
    "broadcast_id",
    "priority",
    "created_at",
    "started_at",
    "completed_at",
    "expires_at",
    "stages",
    "route",
    "output",
    "finish_reason",
    "error",
    "usage",
    "metadata",
]


def submit(client: FlaskClient, **body: object) -> dict:
    response = client.post("/v1/jobs", json={"message": QUESTION, **body})
    assert response.status_code == 202, response.text
    return response.get_json()


def test_a_job_is_accepted_and_can_be_read_where_location_says(client):
    response = client.post("/v1/jobs", json={"message": QUESTION, "metadata": {"ticket": "7"}})

    assert response.status_code == 202
    assert response.headers["Retry-After"] == "1"
    assert response.headers["Location"] == f"/v1/jobs/{response.json['id']}"
    assert list(response.json) == KEYS
    assert response.json["metadata"] == {"ticket": "7"}
    read = client.get(response.headers["Location"])
    assert read.status_code == 200
    assert read.headers["Retry-After"] == "1"
    assert read.json == response.json


def test_a_new_job_shows_its_four_stages_pending_and_no_cost(client):
    job = submit(client)

    assert job["stages"] == [
        {"name": name, "status": "pending", "ms": None}
        for name in ("intent", "compress", "generate", "persist")
    ]
    assert job["usage"] == {
        "input_tokens": 0,
        "output_tokens": 0,
        "tokens_saved": 0,
        "cost_usd": "0.000000",
        "paid_duplicates": 0,
    }


def test_an_answer_that_is_only_checkpointed_is_not_shown(client):
    job = submit(client)

    change(job["id"], answer="Paris", finish_reason="stop", stage="persist")

    read = client.get(f"/v1/jobs/{job['id']}").json
    assert read["output"] is None
    assert read["finish_reason"] is None


def test_a_completed_job_shows_its_answer_and_no_longer_says_retry_after(client):
    job = submit(client)
    change(
        job["id"],
        status="completed",
        slot=None,
        completed_at=Job.created_at,
        answer="Paris",
        finish_reason="stop",
        stages={"intent": {"ms": 3, "status": "completed", "cached": True, "intent": "question"}},
        route={"reason": "intent:question", "fallbacks": [], "model": "openai/x"},
    )

    read = client.get(f"/v1/jobs/{job['id']}")

    assert "Retry-After" not in read.headers
    assert read.json["output"] == "Paris"
    assert list(read.json["stages"][0].items()) == [
        ("name", "intent"),
        ("status", "completed"),
        ("ms", 3),
        ("intent", "question"),
        ("cached", True),
    ]
    assert read.json["route"] == {"model": "openai/x", "reason": "intent:question", "fallbacks": []}
    assert read.json["completed_at"] == read.json["created_at"]


def test_a_foreign_job_is_as_unknown_as_none_and_as_a_malformed_id(client, stranger):
    job = submit(client)

    foreign = stranger.get(f"/v1/jobs/{job['id']}")
    unknown = stranger.get("/v1/jobs/job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC")
    other_kind = client.get(f"/v1/jobs/{job['conversation_id']}")

    assert [foreign.status_code, unknown.status_code, other_kind.status_code] == [404] * 3
    assert foreign.json["code"] == unknown.json["code"] == "not_found"
    assert foreign.json["detail"] == unknown.json["detail"]


@pytest.mark.parametrize("odd", ["x", "job_%00", "%ED%A0%80", "job_" + "0" * 5000, "..%2F"])
def test_a_malformed_id_is_a_404(client, odd):
    response = client.get(f"/v1/jobs/{odd}")

    assert response.status_code == 404
    assert response.json["code"] == "not_found"


def test_jobs_are_listed_newest_first_page_by_page(client):
    ids = [submit(client)["id"] for _ in range(3)]

    first = client.get("/v1/jobs?limit=2").json
    second = client.get(f"/v1/jobs?limit=2&after={first['last_id']}").json

    assert [job["id"] for job in first["data"]] == [ids[2], ids[1]]
    assert (first["object"], first["first_id"], first["has_more"]) == ("list", ids[2], True)
    assert [job["id"] for job in second["data"]] == [ids[0]]
    assert second["has_more"] is False


def test_an_empty_list_has_no_ids(client):
    assert client.get("/v1/jobs").json == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


def test_a_list_shows_jobs_of_one_status_or_conversation_only(client):
    first, second = submit(client), submit(client)
    change(first["id"], status="in_progress")

    running = client.get("/v1/jobs?status=in_progress").json["data"]
    talk = client.get(f"/v1/jobs?conversation_id={second['conversation_id']}").json["data"]

    assert [job["id"] for job in running] == [first["id"]]
    assert [job["id"] for job in talk] == [second["id"]]


def test_a_user_cannot_see_the_jobs_of_another(client, stranger):
    job = submit(client)

    assert stranger.get("/v1/jobs").json["data"] == []
    assert stranger.get(f"/v1/jobs?conversation_id={job['conversation_id']}").json["data"] == []


def test_a_page_after_a_foreign_job_is_refused_as_one_after_none(client, stranger):
    job = submit(client)

    foreign = stranger.get(f"/v1/jobs?after={job['id']}")
    unknown = stranger.get("/v1/jobs?after=job_x")

    assert foreign.status_code == unknown.status_code == 422
    assert foreign.json["errors"] == unknown.json["errors"]
    assert foreign.json["errors"][0]["field"] == "after"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("after=%00", "after"),
        ("status=done", "status"),
        ("conversation_id=%00", "conversation_id"),
        ("stauts=queued", "stauts"),
    ],
)
def test_a_query_that_can_not_be_meant_is_refused_by_name(client, query, field):
    response = client.get(f"/v1/jobs?{query}")

    assert response.status_code == 422
    assert [error["field"] for error in response.json["errors"]] == [field]


def test_a_conversation_goes_on_with_a_second_message(client):
    first = submit(client)

    second = submit(client, conversation_id=first["conversation_id"], mind="maker")

    assert second["conversation_id"] == first["conversation_id"]
    assert second["mind"] == "maker"


def test_a_user_cannot_write_to_the_conversation_of_another(client, stranger):
    job = submit(client)

    response = stranger.post(
        "/v1/jobs", json={"message": QUESTION, "conversation_id": job["conversation_id"]}
    )

    assert response.status_code == 404
    assert client.get(f"/v1/jobs?conversation_id={job['conversation_id']}").json["data"] == [job]


def test_an_unknown_mind_is_refused_by_name(client):
    response = client.post("/v1/jobs", json={"message": QUESTION, "mind": "nobody"})

    assert response.status_code == 422
    assert response.json["errors"][0]["field"] == "mind"


def test_text_of_every_script_comes_back_as_it_was_sent(client):
    message = "  Grüße 🌍 \u202e العربية \ufffe\n"

    job = submit(client, message=message, metadata={"ключ": "🌍"})

    assert job["metadata"] == {"ключ": "🌍"}
    path = f"/v1/conversations/{job['conversation_id']}/messages"
    assert client.get(path).json["data"][0]["content"] == message


def test_the_prompt_is_the_message_unless_it_was_compressed(client, stranger):
    job = client.post("/v1/jobs", json={"message": "one two three"}).json
    path = f"/v1/jobs/{job['id']}/prompt"

    assert client.get(path).json["compressed"] == "one two three"
    change(job["id"], prompt="one three")
    assert client.get(path).json == {
        "object": "prompt",
        "original": "one two three",
        "compressed": "one three",
    }
    assert stranger.get(path).status_code == 404
    client.delete(f"/v1/conversations/{job['conversation_id']}")
    assert client.get(path).status_code == 404
