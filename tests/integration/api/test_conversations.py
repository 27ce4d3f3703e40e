"""/v1/conversations and their messages."""

import pytest

from models.conversations import Message
from models.ids import new_id
from models.session import unit_of_work


def test_a_conversation_is_begun_and_read(client):
    begun = client.post("/v1/conversations", json={"title": "Capitals"})

    assert begun.status_code == 201
    assert list(begun.json) == ["id", "object", "title", "created_at", "updated_at"]
    assert client.get(begun.headers["Location"]).json == begun.json


def test_a_conversation_needs_no_title_but_no_empty_one(client):
    assert client.post("/v1/conversations", json={}).json["title"] is None
    for title in ("", "x" * 201, "a\x00b", 7):
        refused = client.post("/v1/conversations", json={"title": title})
        assert refused.status_code == 422
        assert refused.json["errors"][0]["field"] == "title"


def test_conversations_are_listed_newest_first_page_by_page(client, stranger):
    ids = [client.post("/v1/conversations", json={}).json["id"] for _ in range(3)]

    first = client.get("/v1/conversations?limit=2").json
    second = client.get(f"/v1/conversations?limit=2&after={first['last_id']}").json

    assert [item["id"] for item in first["data"]] == [ids[2], ids[1]]
    assert [item["id"] for item in second["data"]] == [ids[0]]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert stranger.get(f"/v1/conversations?after={ids[0]}").status_code == 422


def test_messages_are_listed_oldest_first_with_the_job_they_belong_to(client):
    job = client.post("/v1/jobs", json={"message": "hello"}).json
    with unit_of_work() as session:
        answer = Message(
            id=new_id("msg"),
            conversation_id=job["conversation_id"],
            role="assistant",
            mind="sage",
            job_id=job["id"],
            content="Good day.",
        )
        session.add(answer)
    path = f"/v1/conversations/{job['conversation_id']}/messages"

    first = client.get(f"{path}?limit=1").json
    second = client.get(f"{path}?limit=1&after={first['last_id']}").json

    [question], [reply] = first["data"], second["data"]
    assert (question["role"], question["mind"], question["content"]) == ("user", None, "hello")
    assert (reply["role"], reply["mind"], reply["content"]) == ("assistant", "sage", "Good day.")
    assert question["job_id"] == reply["job_id"] == job["id"]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert list(reply) == [
        "id",
        "object",
        "conversation_id",
        "job_id",
        "role",
        "mind",
        "content",
        "created_at",
    ]


@pytest.mark.parametrize("tail", ["", "/messages"])
def test_a_foreign_conversation_is_as_unknown_as_none(client, stranger, tail):
    begun = client.post("/v1/conversations", json={}).json

    foreign = stranger.get(f"/v1/conversations/{begun['id']}{tail}")
    unknown = stranger.get(f"/v1/conversations/conv_01K8Z5M5V4Q2W9X7Y3T1N6P0RC{tail}")

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json["detail"] == unknown.json["detail"]


def test_a_page_of_messages_begins_after_a_message_of_that_conversation_only(client):
    here = client.post("/v1/jobs", json={"message": "here"}).json
    there = client.post("/v1/jobs", json={"message": "there"}).json
    path = "/v1/conversations/{conversation_id}/messages"
    other = client.get(path.format(**there)).json["first_id"]

    response = client.get(f"{path.format(**here)}?after={other}")

    assert response.status_code == 422
    assert response.json["errors"][0]["field"] == "after"
