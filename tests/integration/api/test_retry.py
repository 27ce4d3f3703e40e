"""POST /v1/jobs/{id}/retry."""

import pytest
from sqlalchemy import delete, update

from models.conversations import Message
from models.jobs import Job
from models.lifecycle.endings import finished
from models.session import unit_of_work

UNKNOWN = "job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"
ENDED = ("failed", "cancelled", "expired")


def submit(client, **body: object) -> dict:
    return client.post("/v1/jobs", json={"message": "hello", **body}).json


def change(job: dict, **columns: object) -> None:
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job["id"]).values(**columns))


def row(job: dict) -> Job:
    with unit_of_work() as session:
        found = session.get(Job, job["id"])
        assert found is not None
        return found


def retry(client, job: dict, key: str | None = None, **more):
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"/v1/jobs/{job['id']}/retry", headers=headers, **more)


@pytest.fixture
def failed(client) -> dict:
    job = submit(client, mind="muse", metadata={"order": "7"}, deadline_s=77)
    change(job, **finished("failed"), options={"temperature": 0.5})
    return job


@pytest.mark.parametrize("status", ENDED)
def test_a_job_that_ended_without_an_answer_is_done_again_as_a_new_one(client, failed, status):
    change(failed, status=status)

    again = retry(client, failed)

    assert again.status_code == 202
    assert again.headers["Location"] == f"/v1/jobs/{again.json['id']}"
    assert again.json["id"] != failed["id"]
    for name in ("conversation_id", "mind", "metadata"):
        assert again.json[name] == failed[name]
    old, new = row(failed), row(again.json)
    assert (new.message_id, new.options) == (old.message_id, {"temperature": 0.5})
    assert (new.status, new.slot, new.stage, new.epoch) == ("queued", "queued", "intent", 1)
    assert round((new.expires_at - new.created_at).total_seconds()) == 77
    assert client.get(f"/v1/jobs/{failed['id']}").json["status"] == status


def test_a_retry_takes_the_place_of_its_job_in_a_broadcast(client):
    whole = client.post("/v1/broadcasts", json={"message": "hello all"}).json
    first, second, third = whole["jobs"]
    for job, status in ((first, "completed"), (second, "failed"), (third, "completed")):
        change(job, **finished(status), cost_usd="0.000003")

    again = retry(client, second)

    whole = client.get(f"/v1/broadcasts/{whole['id']}").json
    assert (again.status_code, again.json["broadcast_id"]) == (202, whole["id"])
    assert [job["id"] for job in whole["jobs"]] == [first["id"], again.json["id"], third["id"]]
    assert (whole["status"], whole["usage"]["cost_usd"]) == ("queued", "0.000009")
    refused = client.post(f"/v1/broadcasts/{whole['id']}/merge")
    assert refused.json["code"] == "broadcast_in_progress"


def test_the_answer_of_a_retry_is_chosen_and_merged_as_any_other(client):
    whole = client.post("/v1/broadcasts", json={"message": "hello all"}).json
    for job, status in zip(whole["jobs"], ("completed", "failed", "cancelled"), strict=True):
        change(job, **finished(status), answer="Hello." if status == "completed" else None)
    again = retry(client, whole["jobs"][1]).json
    change(again, **finished("completed"), answer="Hello again.")
    path = f"/v1/broadcasts/{whole['id']}"

    chosen = client.post(f"{path}/choose", json={"job_id": again["id"]})
    merge = client.post(f"{path}/merge")

    assert (chosen.status_code, chosen.json["kept_job_id"]) == (200, again["id"])
    assert (merge.status_code, chosen.json["status"]) == (202, "partial")
    assert row(merge.json).options == {"merges": [whole["jobs"][0]["id"], again["id"]]}


def test_a_retry_is_cancelled_with_its_broadcast(client):
    whole = client.post("/v1/broadcasts", json={"message": "hello all"}).json
    change(whole["jobs"][0], **finished("failed"))
    again = retry(client, whole["jobs"][0]).json

    cancelled = client.post(f"/v1/broadcasts/{whole['id']}/cancel").json

    assert (cancelled["status"], cancelled["jobs"][0]["id"]) == ("cancelled", again["id"])


def test_a_retried_merge_merges_again(client):
    whole = client.post("/v1/broadcasts", json={"message": "hello all"}).json
    for sibling in client.get("/v1/jobs").json["data"]:
        change(sibling, **finished("completed"), answer="Hello.")
    merge = client.post(f"/v1/broadcasts/{whole['id']}/merge").json
    change(merge, **finished("failed"))

    again = retry(client, merge)

    assert (again.status_code, again.json["broadcast_id"]) == (202, whole["id"])
    assert row(again.json).options == row(merge).options != {}


def test_the_message_is_said_once_and_still_names_the_job_that_it_began(client, failed):
    retry(client, failed)

    messages = client.get(f"/v1/conversations/{failed['conversation_id']}/messages").json["data"]
    assert [(m["content"], m["job_id"]) for m in messages] == [("hello", failed["id"])]


def test_a_retry_is_made_once_for_its_key(client, failed):
    first, second = retry(client, failed, "k"), retry(client, failed, "k", json={})

    assert first.status_code == second.status_code == 202
    assert first.data == second.data
    assert second.headers["Idempotent-Replayed"] == "true"


def test_an_empty_object_will_do_and_anything_else_is_refused_by_name(client, failed):
    refused = retry(client, failed, json={"mind": "sage"})
    malformed = retry(client, failed, data="{", content_type="application/json")

    assert (refused.status_code, malformed.status_code) == (422, 400)
    assert [(e["field"], e["code"]) for e in refused.json["errors"]] == [("mind", "unknown_field")]
    assert retry(client, failed, json={}).status_code == 202


def test_a_completed_job_is_not_done_again(client, failed):
    change(failed, status="completed")

    refused = retry(client, failed)

    assert (refused.status_code, refused.json["code"]) == (409, "job_completed")


def test_a_job_that_has_not_ended_is_not_done_again(client):
    refused = retry(client, submit(client))

    assert (refused.status_code, refused.json["code"]) == (409, "job_in_progress")


def test_a_message_has_one_job_of_a_mind_at_a_time_and_one_answer(client, failed):
    again = retry(client, failed).json
    meanwhile = retry(client, failed)
    change(again, **finished("failed"))
    third = retry(client, failed).json
    change(third, **finished("completed"))

    assert (meanwhile.status_code, meanwhile.json["code"]) == (409, "job_in_progress")
    answered = retry(client, again)
    assert (answered.status_code, answered.json["code"]) == (409, "job_completed")


def test_retries_that_come_at_once_make_one_job(client_of, external_id, failed, together):
    answers = together(8, lambda: retry(client_of(external_id), failed))

    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    codes = {answer.json["code"] for answer in answers if answer.status_code == 409}
    assert codes == {"job_in_progress"}


def test_a_job_whose_conversation_was_deleted_is_not_done_again(client, failed):
    assert client.delete(f"/v1/conversations/{failed['conversation_id']}").status_code == 204

    refused = retry(client, failed)

    assert (refused.status_code, refused.json["code"]) == (409, "conversation_gone")


def test_a_job_whose_message_was_deleted_is_not_done_again(client, failed):
    with unit_of_work() as session:
        session.execute(delete(Message).where(Message.id == row(failed).message_id))

    refused = retry(client, failed)

    assert (refused.status_code, refused.json["code"]) == (409, "conversation_gone")


def test_a_retry_is_blocked_by_what_is_on_its_track_now(client, failed):
    later = submit(client, mind="muse", conversation_id=failed["conversation_id"])

    again = retry(client, failed)

    assert row(later).slot == "queued"
    assert (again.status_code, row(again.json).slot) == (202, "blocked")


def test_a_foreign_job_is_as_unknown_as_none(client, stranger, failed):
    foreign, unknown = retry(stranger, failed), retry(stranger, {"id": UNKNOWN})

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json["detail"] == unknown.json["detail"]
    assert len(client.get("/v1/jobs").json["data"]) == 1
