"""/v1/broadcasts against real PostgreSQL and Valkey; no worker: ends are written as one would."""

import time

import pytest
from redis import Redis
from sqlalchemy import func, select, update

from config.minds import MANAGER
from models.conversations import Conversation, Message
from models.jobs import Job
from models.lifecycle.endings import finished
from models.session import unit_of_work
from tasks.jobs.cancel_channel import CHANNEL

QUESTION = "What is the capital of France?"
UNKNOWN = "bcast_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"
KEYS = [
    "id",
    "object",
    "status",
    "message_id",
    "conversation_id",
    "created_at",
    "jobs",
    "merge",
    "kept_job_id",
    "usage",
    "metadata",
]


def send(client, **body: object) -> dict:
    response = client.post("/v1/broadcasts", json={"message": QUESTION, **body})
    assert response.status_code == 202, response.text
    return response.json


def read(client, broadcast: dict) -> dict:
    return client.get(f"/v1/broadcasts/{broadcast['id']}").json


def act(client, broadcast: dict, what: str, body: dict | None = None, **headers: str):
    return client.post(f"/v1/broadcasts/{broadcast['id']}/{what}", json=body, headers=headers)


def end(job: dict, status: str, **columns: object) -> None:
    with unit_of_work() as session:
        columns = {**finished(status), **columns}
        session.execute(update(Job).where(Job.id == job["id"]).values(**columns))


def end_all(broadcast: dict, *statuses: str) -> None:
    for job, status in zip(broadcast["jobs"], statuses, strict=True):
        end(job, status, answer=f"{job['mind']} says so." if status == "completed" else None)


@pytest.fixture
def broadcast(client) -> dict:
    return send(client)


@pytest.fixture
def answered(client, broadcast) -> dict:
    end_all(broadcast, "completed", "failed", "completed")
    return read(client, broadcast)


def test_a_broadcast_is_accepted_and_can_be_read_where_location_says(client):
    response = client.post(
        "/v1/broadcasts", json={"message": QUESTION, "metadata": {"ticket": "7"}}
    )

    assert response.status_code == 202
    assert list(response.json) == KEYS
    assert response.headers["Location"] == f"/v1/broadcasts/{response.json['id']}"
    assert response.headers["Retry-After"] == "1"
    assert response.json["status"] == "queued"
    assert response.json["metadata"] == {"ticket": "7"}
    assert response.json["merge"] is response.json["kept_job_id"] is None
    found = client.get(response.headers["Location"])
    assert (found.status_code, found.json) == (200, response.json)
    assert found.headers["Retry-After"] == "1"


def test_all_minds_are_asked_by_one_message_in_one_conversation(client, broadcast):
    assert [job["mind"] for job in broadcast["jobs"]] == ["sage", "maker", "muse"]
    assert {job["broadcast_id"] for job in broadcast["jobs"]} == {broadcast["id"]}
    assert {job["conversation_id"] for job in broadcast["jobs"]} == {broadcast["conversation_id"]}
    talk = f"/v1/conversations/{broadcast['conversation_id']}/messages"
    assert [said["id"] for said in client.get(talk).json["data"]] == [broadcast["message_id"]]
    for job in broadcast["jobs"]:
        assert client.get(f"/v1/jobs/{job['id']}").json == job


def test_minds_answer_in_the_order_in_which_they_are_named(client):
    broadcast = send(client, minds=["muse", "sage"])

    assert [job["mind"] for job in broadcast["jobs"]] == ["muse", "sage"]
    assert [job["mind"] for job in read(client, broadcast)["jobs"]] == ["muse", "sage"]


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"minds": []}, "minds", "too_few"),
        ({"minds": ["sage", "sage"]}, "minds", "repeated"),
        ({"minds": [f"m{n}" for n in range(9)]}, "minds", "too_many"),
        ({"minds": "sage"}, "minds", "not_a_list"),
        ({"minds": ["sage", 7]}, "minds.1", "not_a_string"),
        ({"minds": ["sage", "nobody"]}, "minds.1", "invalid"),
        ({"minds": [MANAGER]}, "minds.0", "invalid"),
        ({"mind": "sage"}, "mind", "unknown_field"),
        ({"message": " "}, "message", "blank"),
        ({"deadline_s": 0}, "deadline_s", "too_small"),
        ({"conversation_id": "\x00"}, "conversation_id", "null_character"),
    ],
)
def test_what_can_not_be_meant_is_refused_by_name_and_nothing_is_accepted(
    client, body, field, code
):
    response = client.post("/v1/broadcasts", json={"message": QUESTION, **body})

    assert response.status_code == 422
    assert [(e["field"], e["code"]) for e in response.json["errors"]] == [(field, code)]
    assert client.get("/v1/broadcasts").json["data"] == []
    assert client.get("/v1/jobs").json["data"] == []
    assert client.get("/v1/conversations").json["data"] == []


def test_no_single_job_is_given_to_the_manager(client):
    response = client.post("/v1/jobs", json={"message": QUESTION, "mind": MANAGER})

    assert (response.status_code, response.json["errors"][0]["field"]) == (422, "mind")


def test_a_user_cannot_write_to_the_conversation_of_another(client, stranger, broadcast):
    body = {"message": QUESTION, "conversation_id": broadcast["conversation_id"]}

    assert stranger.post("/v1/broadcasts", json=body).status_code == 404
    assert client.post("/v1/broadcasts", json=body).status_code == 202


def test_a_deadline_is_that_of_every_job(client):
    headers = {"Cancel-After": "60"}
    body = {"message": QUESTION}
    jobs = client.post("/v1/broadcasts", json=body, headers=headers).json["jobs"]

    with unit_of_work() as session:
        lengths = session.scalars(
            select(func.extract("epoch", Job.expires_at - Job.created_at)).where(
                Job.id.in_([job["id"] for job in jobs])
            )
        )
        assert {round(length) for length in lengths} == {60}


def test_a_broadcast_is_made_once_for_its_key_however_many_ask_at_once(
    client_of, external_id, together
):
    headers = {"Idempotency-Key": "once"}
    answers = together(
        6,
        lambda: client_of(external_id).post(
            "/v1/broadcasts", json={"message": QUESTION}, headers=headers
        ),
    )

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.data for answer in answers}) == 1
    client = client_of(external_id)
    assert len(client.get("/v1/broadcasts").json["data"]) == 1
    assert len(client.get("/v1/jobs").json["data"]) == 3
    other = {"message": QUESTION, "minds": ["sage"]}
    reused = client.post("/v1/broadcasts", json=other, headers=headers)
    assert reused.json["code"] == "idempotency_key_reused"


def test_broadcasts_are_listed_newest_first_page_by_page_with_their_jobs(client, stranger):
    sent = [send(client, minds=["muse"]) for _ in range(3)]

    first = client.get("/v1/broadcasts?limit=2").json
    second = client.get(f"/v1/broadcasts?limit=2&after={first['last_id']}").json

    assert first["data"] == [sent[2], sent[1]]
    assert (first["first_id"], first["has_more"]) == (sent[2]["id"], True)
    assert (second["data"], second["has_more"]) == ([sent[0]], False)
    assert stranger.get("/v1/broadcasts").json["data"] == []


@pytest.mark.parametrize("query", ["limit=0", "after=x", f"after={UNKNOWN}", "status=queued"])
def test_a_query_that_can_not_be_meant_is_refused_by_name(client, query):
    response = client.get(f"/v1/broadcasts?{query}")

    assert response.status_code == 422
    assert response.json["errors"][0]["field"] == query.split("=")[0]


def test_a_page_after_a_foreign_broadcast_is_refused_as_one_after_none(stranger, broadcast):
    foreign = stranger.get(f"/v1/broadcasts?after={broadcast['id']}")
    unknown = stranger.get(f"/v1/broadcasts?after={UNKNOWN}")

    assert foreign.status_code == unknown.status_code == 422
    assert foreign.json["errors"] == unknown.json["errors"]


def test_a_foreign_broadcast_is_as_unknown_as_none_to_every_call(client, stranger, answered):
    job = {"job_id": answered["jobs"][0]["id"]}
    for what, body in (("cancel", None), ("merge", {}), ("choose", job)):
        foreign = act(stranger, answered, what, body)
        unknown = act(stranger, {"id": UNKNOWN}, what, body)
        assert foreign.status_code == unknown.status_code == 404, what
        assert foreign.json["detail"] == unknown.json["detail"]
    assert stranger.get(f"/v1/broadcasts/{answered['id']}").status_code == 404
    assert client.get(f"/v1/broadcasts/{answered['jobs'][0]['id']}").status_code == 404
    assert client.get("/v1/broadcasts/bcast_%00").status_code == 404
    assert read(client, answered) == answered


def test_a_broadcast_that_some_have_answered_shows_each_and_one_total(client, broadcast):
    sage, maker, muse = broadcast["jobs"]
    end(sage, "completed", answer="Paris.", input_tokens=5, output_tokens=2, cost_usd="0.000002")
    end(maker, "failed", error={"code": "context_too_long", "message": "Too long."})
    end(muse, "completed", answer="Paris!", input_tokens=7, output_tokens=3, cost_usd="0.000009")

    response = client.get(f"/v1/broadcasts/{broadcast['id']}")

    assert response.json["status"] == "partial"
    assert [job["output"] for job in response.json["jobs"]] == ["Paris.", None, "Paris!"]
    assert response.json["jobs"][1]["error"]["code"] == "context_too_long"
    assert response.json["usage"] == {
        "input_tokens": 12,
        "output_tokens": 5,
        "tokens_saved": 0,
        "cost_usd": "0.000011",
        "paid_duplicates": 0,
    }
    assert "Retry-After" not in response.headers


def test_a_broadcast_that_has_not_changed_is_a_304(client, broadcast):
    path = f"/v1/broadcasts/{broadcast['id']}"
    known = {"If-None-Match": client.get(path).headers["ETag"]}

    assert client.get(path, headers=known).status_code == 304
    end(broadcast["jobs"][2], "cancelled")
    assert client.get(path, headers=known).status_code == 200


# --- cancel


def test_one_cancel_ends_every_job_that_has_not_ended_and_again_is_a_200(
    client, broadcast, backends
):
    end(broadcast["jobs"][0], "completed", answer="Paris.")

    with Redis.from_url(backends["REDIS_URL"], decode_responses=True) as redis:
        channel = redis.pubsub(ignore_subscribe_messages=True)
        channel.subscribe(CHANNEL)
        channel.get_message(timeout=5)
        first, second = act(client, broadcast, "cancel"), act(client, broadcast, "cancel")
        heard = [channel.get_message(timeout=5) for _ in range(2)]
        more = channel.get_message(timeout=0.2)

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json == second.json == read(client, broadcast)
    assert [job["status"] for job in first.json["jobs"]] == ["completed", "cancelled", "cancelled"]
    assert first.json["status"] == "partial"
    stopped = [job["id"] for job in broadcast["jobs"][1:]]
    assert [message and message["data"] for message in heard] == stopped
    assert more is None


def test_a_broadcast_that_has_not_begun_is_cancelled_whole(client, broadcast):
    assert act(client, broadcast, "cancel").json["status"] == "cancelled"


@pytest.mark.parametrize(
    ("statuses", "status"),
    [(("completed",) * 3, "completed"), (("failed", "expired", "failed"), "failed")],
)
def test_a_broadcast_whose_jobs_have_ended_otherwise_is_a_409(client, broadcast, statuses, status):
    end_all(broadcast, *statuses)

    response = act(client, broadcast, "cancel")

    assert (response.status_code, response.json["code"]) == (409, "broadcast_ended")
    assert status in response.json["detail"]


def test_a_merge_is_cancelled_with_its_broadcast(client, answered):
    merge = act(client, answered, "merge", {}).json

    cancelled = act(client, answered, "cancel")

    assert cancelled.status_code == 200
    assert (cancelled.json["merge"]["id"], cancelled.json["merge"]["status"]) == (
        merge["id"],
        "cancelled",
    )
    assert cancelled.json["status"] == "partial"
    assert cancelled.json["kept_job_id"] is None


def test_cancels_that_come_at_once_all_succeed(client_of, external_id, broadcast, together):
    answers = together(8, lambda: act(client_of(external_id), broadcast, "cancel"))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.data for answer in answers}) == 1


# --- merge


def test_a_merge_is_a_job_of_the_manager_on_the_same_message(client, answered):
    response = act(client, answered, "merge", {"metadata": {"ticket": "8"}, "deadline_s": 60})

    assert response.status_code == 202
    job = response.json
    assert response.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert (job["mind"], job["status"], job["metadata"]) == (MANAGER, "queued", {"ticket": "8"})
    assert (job["broadcast_id"], job["conversation_id"]) == (
        answered["id"],
        answered["conversation_id"],
    )
    now = client.get(f"/v1/broadcasts/{answered['id']}")
    assert now.json == {**answered, "merge": job}
    assert now.headers["Retry-After"] == "1"
    with unit_of_work() as session:
        kept = session.get_one(Job, job["id"])
        assert kept.options == {"merges": [answered["jobs"][0]["id"], answered["jobs"][2]["id"]]}
        assert kept.message_id == answered["message_id"]
        asked = select(func.count()).where(Message.conversation_id == kept.conversation_id)
        assert session.scalar(asked) == 1


def test_nothing_needs_to_be_said_for_a_merge(client, answered):
    response = client.post(f"/v1/broadcasts/{answered['id']}/merge")

    assert response.status_code == 202


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (("completed", "completed", None), "broadcast_in_progress"),
        ((None, None, None), "broadcast_in_progress"),
        (("failed", "cancelled", "expired"), "nothing_to_merge"),
    ],
)
def test_a_merge_waits_for_every_mind_and_wants_one_answer(client, broadcast, statuses, code):
    for job, status in zip(broadcast["jobs"], statuses, strict=True):
        if status:
            end(job, status, answer="Paris." if status == "completed" else None)

    response = act(client, broadcast, "merge", {})

    assert (response.status_code, response.json["code"]) == (409, code)
    assert read(client, broadcast)["merge"] is None


def test_of_merges_that_come_at_once_one_is_made(client_of, external_id, answered, together):
    answers = together(6, lambda: act(client_of(external_id), answered, "merge", {}))

    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 5
    refused = {answer.json["code"] for answer in answers if answer.status_code == 409}
    assert refused == {"merge_in_progress"}


def test_a_merge_that_has_ended_may_be_followed_by_another(client, answered):
    first = act(client, answered, "merge", {}).json
    end(first, "failed", cost_usd="0.5")

    second = act(client, answered, "merge", {}).json

    now = read(client, answered)
    assert first["id"] != second["id"] == now["merge"]["id"]
    assert now["usage"]["cost_usd"] == "0.500000"


def test_a_merge_is_made_once_for_its_key(client, answered):
    first = act(client, answered, "merge", {}, **{"Idempotency-Key": "merge"})
    again = act(client, answered, "merge", {}, **{"Idempotency-Key": "merge"})

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.data == again.data


def test_a_merge_may_be_waited_for(client, answered):
    response = act(client, answered, "merge", {}, Prefer="wait=1")

    assert response.status_code == 202
    assert response.headers["Preference-Applied"] == "wait=1"


@pytest.mark.parametrize(
    ("body", "field"), [({"minds": ["sage"]}, "minds"), ({"deadline_s": 0}, "deadline_s")]
)
def test_a_merge_that_can_not_be_meant_is_refused_by_name(client, answered, body, field):
    response = act(client, answered, "merge", body)

    assert (response.status_code, response.json["errors"][0]["field"]) == (422, field)


# --- choose


def test_the_last_choice_is_kept(client, answered):
    sage, _, muse = answered["jobs"]

    first = act(client, answered, "choose", {"job_id": sage["id"]})
    second = act(client, answered, "choose", {"job_id": muse["id"]})

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json == {**answered, "kept_job_id": sage["id"]}
    assert second.json == read(client, answered) == {**answered, "kept_job_id": muse["id"]}


def test_a_merged_answer_may_be_chosen_again(client, answered):
    merge = act(client, answered, "merge", {}).json
    end(merge, "completed", answer="Paris, both say.")
    act(client, answered, "choose", {"job_id": answered["jobs"][0]["id"]})

    chosen = act(client, answered, "choose", {"job_id": merge["id"]})

    assert chosen.json["kept_job_id"] == merge["id"]


def test_what_is_no_completed_job_of_the_broadcast_is_not_chosen(client, stranger, answered):
    other, foreign = send(client), send(stranger)
    end_all(other, *["completed"] * 3)
    end_all(foreign, *["completed"] * 3)
    failed = answered["jobs"][1]["id"]
    wrong = (failed, other["jobs"][0]["id"], foreign["jobs"][0]["id"], UNKNOWN, "", "x")

    for job_id in wrong:
        response = act(client, answered, "choose", {"job_id": job_id})
        assert response.status_code == 422, job_id
        assert response.json["errors"][0]["field"] == "job_id"
    assert act(client, answered, "choose", {}).json["errors"][0]["code"] == "missing"
    assert read(client, answered)["kept_job_id"] is None


# --- what goes on around it


def test_without_redis_a_broadcast_is_accepted_and_cancelled_all_the_same(serve, dead_address):
    client = serve(REDIS_URL=f"redis://{dead_address}/0")
    started = time.monotonic()

    broadcast = client.post("/v1/broadcasts", json={"message": QUESTION})
    cancelled = client.post(f"/v1/broadcasts/{broadcast.json()['id']}/cancel")

    assert (broadcast.status_code, cancelled.status_code) == (202, 200)
    assert cancelled.json()["status"] == "cancelled"
    assert time.monotonic() - started < 3


def test_a_broadcast_goes_with_its_conversation_and_its_jobs_stay(client, answered):
    act(client, answered, "choose", {"job_id": answered["jobs"][0]["id"]})
    with unit_of_work() as session:
        session.delete(session.get_one(Conversation, answered["conversation_id"]))

    assert client.get(f"/v1/broadcasts/{answered['id']}").status_code == 404
    job = client.get(f"/v1/jobs/{answered['jobs'][0]['id']}").json
    assert (job["broadcast_id"], job["output"]) == (None, "sage says so.")
