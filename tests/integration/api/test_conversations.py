"""/v1/conversations and their messages."""

import threading

import pytest
from sqlalchemy import delete, select

from models.conversations import Conversation, Message
from models.ids import new_id
from models.jobs import Job
from models.lifecycle.endings import finished
from models.lifecycle.track_queue import lock_conversations
from models.session import unit_of_work
from models.users import User

from .rows import change, row

UNKNOWN = "/v1/conversations/conv_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"


def submit(client, **body: object) -> dict:
    answer = client.post("/v1/jobs", json={"message": "hello", **body})
    assert answer.status_code == 202, answer.text
    return answer.json


def found(client, q: str) -> list[str]:
    """The titles of the conversations that contain a text."""
    answer = client.get("/v1/conversations", query_string={"q": q})
    assert answer.status_code == 200, answer.text
    return [item["title"] for item in answer.json["data"]]


def path_of(job: dict) -> str:
    return f"/v1/conversations/{job['conversation_id']}"


def test_a_conversation_is_begun_and_read(client):
    begun = client.post("/v1/conversations", json={"title": "Capitals"})

    assert begun.status_code == 201
    assert list(begun.json) == [
        "id",
        "object",
        "title",
        "on_busy",
        "created_at",
        "updated_at",
    ]
    assert client.get(begun.headers["Location"]).json == begun.json


def test_a_conversation_is_begun_without_a_body(client):
    begun = client.post("/v1/conversations")
    assert (begun.status_code, begun.json["title"]) == (201, None)


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


def test_a_conversation_is_renamed_and_its_title_removed(client):
    begun = client.post("/v1/conversations", json={"title": "Capitals"})
    path = begun.headers["Location"]

    renamed = client.patch(path, json={"title": "Rivers"})

    assert renamed.status_code == 200
    assert renamed.json == {**begun.json, "title": "Rivers"} == client.get(path).json
    assert client.patch(path, json={"title": None}).json["title"] is None


def test_what_a_busy_conversation_does_is_said_at_its_beginning_or_later(client):
    begun = client.post("/v1/conversations", json={"on_busy": "reject"})
    plain = client.post("/v1/conversations", json={})

    changed = client.patch(begun.headers["Location"], json={"on_busy": "interrupt"})

    assert (begun.json["on_busy"], plain.json["on_busy"]) == ("reject", "enqueue")
    assert (changed.json["on_busy"], changed.json["title"]) == ("interrupt", None)


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "", "nothing_to_change"),
        ({"title": ""}, "title", "too_short"),
        ({"title": "x" * 201}, "title", "too_long"),
        ({"on_busy": None}, "on_busy", "not_allowed"),
        ({"on_busy": "wait"}, "on_busy", "not_allowed"),
        ({"name": "x"}, "name", "unknown_field"),
    ],
)
def test_a_change_that_can_not_be_meant_is_refused_by_name(client, body, field, code):
    begun = client.post("/v1/conversations", json={"title": "Capitals"})

    refused = client.patch(begun.headers["Location"], json=body)

    assert refused.status_code == 422
    assert [(e["field"], e["code"]) for e in refused.json["errors"]] == [(field, code)]
    assert client.get(begun.headers["Location"]).json == begun.json


def test_conversations_are_searched_by_title_and_by_what_was_said(client, stranger):
    client.post("/v1/conversations", json={"title": "Capitals of Europe"})
    job = submit(client, message="Where does the Danube rise, and end?")
    client.patch(path_of(job), json={"title": "Rivers"})

    assert found(client, "EUROPE") == ["Capitals of Europe"]
    assert found(client, "danube RISE") == ["Rivers"]
    assert found(client, "e") == ["Rivers", "Capitals of Europe"]
    assert found(client, "volga") == found(stranger, "e") == []


@pytest.mark.parametrize("mark", ["%", "_", "\\", "/", "Ä"])
def test_what_is_searched_for_means_itself(client, mark):
    for title in (f"a{mark}b", "axb"):
        client.post("/v1/conversations", json={"title": title})

    assert found(client, f"A{mark.lower()}B") == [f"a{mark}b"]


def test_a_search_is_read_page_by_page(client):
    for title in ("one rose", "a tulip", "two roses", "three roses"):
        client.post("/v1/conversations", json={"title": title})

    first = client.get("/v1/conversations?q=rose&limit=2").json
    second = client.get(f"/v1/conversations?q=rose&limit=2&after={first['last_id']}").json

    assert [item["title"] for item in first["data"]] == ["three roses", "two roses"]
    assert [item["title"] for item in second["data"]] == ["one rose"]
    assert (first["has_more"], second["has_more"]) == (True, False)


@pytest.mark.parametrize(
    ("q", "code"),
    [("", "too_short"), ("x" * 201, "too_long"), ("a\x00b", "null_character")],
)
def test_a_search_for_what_is_no_text_is_refused_by_name(client, q, code):
    refused = client.get("/v1/conversations", query_string={"q": q})

    assert refused.status_code == 422
    assert [(e["field"], e["code"]) for e in refused.json["errors"]] == [("q", code)]


def test_a_deleted_conversation_is_gone_with_what_was_said_in_it(client):
    job = submit(client)

    deleted = client.delete(path_of(job))

    assert (deleted.status_code, deleted.data) == (204, b"")
    assert client.get(path_of(job)).status_code == 404
    assert client.get(f"{path_of(job)}/messages").status_code == 404
    assert client.delete(path_of(job)).status_code == 404
    assert client.patch(path_of(job), json={"title": "x"}).status_code == 404
    with unit_of_work() as session:
        said = select(Message.id).where(Message.conversation_id == job["conversation_id"])
        assert session.scalars(said).all() == []


def test_the_unfinished_jobs_of_a_deleted_conversation_are_cancelled_and_announced(client, stops):
    jobs = [submit(client)]
    jobs += [submit(client, conversation_id=jobs[0]["conversation_id"]) for _ in range(2)]
    change(jobs[0]["id"], partial="The cap", prompt="hello", options={"instructions": "Be kind."})

    client.delete(path_of(jobs[0]))

    for job in jobs:
        shown = client.get(f"/v1/jobs/{job['id']}").json
        assert (shown["status"], shown["output"], shown["conversation_id"]) == (
            "cancelled",
            None,
            None,
        )
        kept = row(job["id"])
        assert (kept.prompt, kept.answer, kept.partial, kept.options) == (None, None, None, {})
    assert sorted(stops()) == sorted(job["id"] for job in jobs)


def test_a_finished_job_keeps_its_receipt_when_its_conversation_is_deleted(client):
    job = submit(client, metadata={"order": "7"})
    change(job["id"], **finished("completed"))
    change(job["id"], answer="Paris.", finish_reason="stop", output_tokens=2, cost_usd="0.000123")

    client.delete(path_of(job))

    shown = client.get(f"/v1/jobs/{job['id']}").json
    assert (shown["status"], shown["output"], shown["finish_reason"]) == ("completed", None, None)
    assert shown["usage"]["output_tokens"] == 2
    assert shown["usage"]["cost_usd"] == "0.000123"
    assert shown["metadata"] == {"order": "7"}


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_a_foreign_conversation_is_neither_changed_nor_deleted(client, stranger, method):
    job = submit(client)
    body = {"json": {"title": "mine now"}} if method == "patch" else {}

    foreign = getattr(stranger, method)(path_of(job), **body)
    unknown = getattr(stranger, method)(UNKNOWN, **body)

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json["detail"] == unknown.json["detail"]
    assert client.get(f"/v1/jobs/{job['id']}").json["status"] == "queued"


def test_a_submit_that_comes_during_a_deletion_finds_no_conversation(client, blocked):
    job = submit(client)
    late: list = []
    body = {"message": "more", "conversation_id": job["conversation_id"]}
    with unit_of_work() as session:
        lock_conversations(session, Job.id == job["id"])
        posting = threading.Thread(target=lambda: late.append(client.post("/v1/jobs", json=body)))
        posting.start()
        blocked()
        gone = delete(Conversation).where(Conversation.id == job["conversation_id"])
        session.execute(gone)
    posting.join(10)

    assert late[0].status_code == 404
    assert late[0].json["code"] == "not_found"


def test_submits_and_a_deletion_at_once_leave_no_job_that_lives_on(
    client_of, external_id, together
):
    client = client_of(external_id)
    for _ in range(5):
        job = submit(client)
        turns = iter(range(8))

        def act(job=job, turns=turns) -> int:
            mine = client_of(external_id)
            if next(turns) == 4:
                return mine.delete(path_of(job)).status_code
            body = {"message": "more", "conversation_id": job["conversation_id"]}
            return mine.post("/v1/jobs", json=body).status_code

        answers = together(8, act)

        assert answers.count(204) == 1
        assert set(answers) <= {202, 204, 404}
        listed = client.get("/v1/jobs").json["data"]
        assert {job["status"] for job in listed} == {"cancelled"}


def test_a_deleted_user_takes_everything_along(client, external_id):
    job = submit(client)

    with unit_of_work() as session:
        session.execute(delete(User).where(User.external_id == external_id))

    assert client.get(f"/v1/jobs/{job['id']}").status_code == 404
