"""Double texting: a message for a track with an unfinished job."""

import pytest
from redis import Redis
from sqlalchemy import select

from models.jobs import Job
from models.lifecycle.endings import finished
from models.lifecycle.fence import now
from models.lifecycle.reconciliation import end_all_overdue, reap_expired_leases, take_due
from models.session import unit_of_work

from .rows import change, row

MANY = 1000


def submit(client, conversation: str | None = None, **body: object):
    return client.post(
        "/v1/jobs", json={"message": "hello", "conversation_id": conversation, **body}
    )


def cancel(client, job_id: str) -> int:
    return client.post(f"/v1/jobs/{job_id}/cancel").status_code


def slots(conversation: str) -> list[str | None]:
    """The slots of a conversation's jobs, oldest first."""
    with unit_of_work() as session:
        query = select(Job.slot).where(Job.conversation_id == conversation)
        return list(session.scalars(query.order_by(Job.created_at, Job.id)))


@pytest.fixture
def begin(client):
    """`begin(on_busy)`: the id of a new conversation."""

    def do(on_busy: str = "enqueue") -> str:
        return client.post("/v1/conversations", json={"on_busy": on_busy}).json["id"]

    return do


@pytest.fixture
def track(client, begin):
    """`track(n)`: the ids of n jobs of one track; all but the first are blocked."""

    def do(number: int) -> list[str]:
        conversation = begin()
        return [submit(client, conversation).json["id"] for _ in range(number)]

    return do


def test_a_message_for_a_busy_track_is_blocked(client, begin):
    conversation = begin()
    answers = [submit(client, conversation) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202] * 3
    assert [answer.json["status"] for answer in answers] == ["queued"] * 3
    assert int(answers[2].headers["Retry-After"]) >= 1
    assert slots(conversation) == ["queued", "blocked", "blocked"]
    assert row(answers[1].json["id"]).queue_lease_until is None


def test_only_the_first_of_a_track_is_published(serve, backends, begin):
    client = serve()
    conversation = begin()

    first, second = (submit(client, conversation).json()["id"] for _ in range(2))

    with Redis.from_url(backends["REDIS_URL"]) as redis:
        queued = b"".join(redis.lrange("llm", 0, -1))
    assert f"{first}.1.intent".encode() in queued
    assert f"{second}.1.intent".encode() not in queued


def test_cancelling_a_job_publishes_the_one_that_it_blocks(serve, backends, begin):
    client = serve()
    conversation = begin()
    first, second = (submit(client, conversation).json()["id"] for _ in range(2))

    assert cancel(client, first) == 200

    with Redis.from_url(backends["REDIS_URL"]) as redis:
        queued = b"".join(redis.lrange("llm", 0, -1))
    assert f"{second}.1.intent".encode() in queued


def test_each_mind_has_a_track_of_its_own(client, begin):
    conversation = begin()
    for mind in ("sage", "muse", "sage"):
        submit(client, conversation, mind=mind)

    assert slots(conversation) == ["queued", "queued", "blocked"]


def test_other_conversations_are_no_hindrance(client, begin):
    here, there = begin(), begin()
    for conversation in (here, there):
        submit(client, conversation)

    assert slots(here) == slots(there) == ["queued"]


def test_a_message_after_the_end_of_the_last_one_goes_at_once(client, begin):
    conversation = begin()
    change(submit(client, conversation).json["id"], **finished("completed"))
    submit(client, conversation)

    assert slots(conversation) == [None, "queued"]


def test_the_oldest_is_released_when_the_one_before_it_is_cancelled(client, track):
    first, second, third = track(3)

    assert cancel(client, first) == 200

    assert (row(second).slot, row(third).slot) == ("queued", "blocked")
    assert row(second).queue_lease_until is not None


def test_a_blocked_job_can_be_cancelled_and_releases_none(client, track):
    first, second, third = track(3)

    assert cancel(client, second) == 200

    assert [row(job).slot for job in (first, second, third)] == ["queued", None, "blocked"]


def test_a_blocked_job_has_a_deadline_like_any(client, track):
    first, second, third = track(3)
    change(second, expires_at=now())

    with unit_of_work() as session:
        end_all_overdue(session, MANY)

    assert (row(second).status, row(second).slot) == ("expired", None)
    assert (row(first).slot, row(third).slot) == ("queued", "blocked")


def test_the_reconciler_leaves_blocked_jobs_alone(client, track):
    _, second = track(2)

    with unit_of_work() as session:
        reap_expired_leases(session, MANY)
        assert second not in {due.job_id for due in take_due(session, MANY)}

    assert row(second).slot == "blocked"


def test_a_conversation_may_refuse_a_message_while_it_is_busy(client, begin):
    conversation = begin("reject")
    first = submit(client, conversation).json["id"]

    refused = submit(client, conversation)
    elsewhere = submit(client, conversation, mind="muse")

    assert (refused.status_code, refused.json["code"]) == (409, "conversation_busy")
    assert elsewhere.status_code == 202
    messages = client.get(f"/v1/conversations/{conversation}/messages").json["data"]
    assert len(messages) == 2
    assert cancel(client, first) == 200
    assert submit(client, conversation).status_code == 202


def test_a_refused_message_leaves_its_key_free(client, begin):
    conversation = begin("reject")
    first = submit(client, conversation).json["id"]
    body = {"message": "more", "conversation_id": conversation}
    headers = {"Idempotency-Key": "k"}

    assert client.post("/v1/jobs", json=body, headers=headers).status_code == 409
    cancel(client, first)

    assert client.post("/v1/jobs", json=body, headers=headers).status_code == 202


def test_a_message_may_interrupt_what_is_before_it(client, begin, stops):
    conversation = begin()
    earlier = [submit(client, conversation).json["id"] for _ in range(2)]
    elsewhere = submit(client, conversation, mind="muse").json["id"]
    client.patch(f"/v1/conversations/{conversation}", json={"on_busy": "interrupt"})

    last = submit(client, conversation)

    assert last.status_code == 202
    assert [row(job).status for job in earlier] == ["cancelled"] * 2
    assert (row(last.json["id"]).slot, row(elsewhere).slot) == ("queued", "queued")
    assert sorted(stops()) == sorted(earlier)


def test_a_chat_of_the_replaced_system_is_refused_likewise(client, begin):
    conversation = begin("reject")
    body = {"message": "hello", "sessionId": conversation}

    assert client.post("/api/chat", json=body).status_code == 202
    assert client.post("/api/chat", json=body).json["code"] == "conversation_busy"


def test_a_broadcast_waits_for_the_mind_that_is_busy_and_its_cancel_lets_go(client, begin):
    conversation = begin()
    submit(client, conversation, mind="sage")
    body = {"message": "hello all", "conversation_id": conversation, "minds": ["sage", "muse"]}

    whole = client.post("/v1/broadcasts", json=body)
    after = [submit(client, conversation, mind=mind).json["id"] for mind in ("sage", "muse")]

    assert whole.status_code == 202
    assert slots(conversation) == ["queued", "blocked", "queued", "blocked", "blocked"]
    assert client.post(f"/v1/broadcasts/{whole.json['id']}/cancel").status_code == 200
    assert [row(job).slot for job in after] == ["blocked", "queued"]


def test_a_broadcast_is_refused_whole_where_one_mind_is_busy(client, begin):
    conversation = begin("reject")
    submit(client, conversation, mind="sage")
    body = {"message": "hello all", "conversation_id": conversation, "minds": ["muse", "sage"]}

    refused = client.post("/v1/broadcasts", json=body)

    assert (refused.status_code, refused.json["code"]) == (409, "conversation_busy")
    assert slots(conversation) == ["queued"]


def test_a_deleted_conversation_takes_its_broadcasts_along(client, begin):
    conversation = begin()
    body = {"message": "hello all", "conversation_id": conversation}
    whole = client.post("/v1/broadcasts", json=body).json

    assert client.delete(f"/v1/conversations/{conversation}").status_code == 204

    assert client.get(f"/v1/broadcasts/{whole['id']}").status_code == 404
    assert {job["status"] for job in client.get("/v1/jobs").json["data"]} == {"cancelled"}


def test_of_twenty_submits_at_once_one_is_queued_and_the_others_stand_in_line(
    client_of, external_id, begin, together
):
    conversation = begin()

    answers = together(20, lambda: submit(client_of(external_id), conversation))

    assert {answer.status_code for answer in answers} == {202}
    assert slots(conversation) == ["queued"] + ["blocked"] * 19


def test_of_eight_that_interrupt_at_once_the_last_one_lives(
    client_of, external_id, begin, together
):
    conversation = begin("interrupt")

    answers = together(8, lambda: submit(client_of(external_id), conversation))

    assert {answer.status_code for answer in answers} == {202}
    assert slots(conversation) == [None] * 7 + ["queued"]


def test_concurrent_cancels_and_submissions_leave_no_job_stranded(
    client_of, external_id, begin, together
):
    conversation = begin()
    client = client_of(external_id)
    for _ in range(5):
        first = submit(client, conversation).json["id"]
        turns = iter(range(8))

        def act(first=first, turns=turns) -> int:
            mine = client_of(external_id)
            if next(turns) == 4:
                return cancel(mine, first)
            return submit(mine, conversation).status_code

        assert set(together(8, act)) <= {200, 202}

        live = [slot for slot in slots(conversation) if slot is not None]
        assert live.count("queued") == 1
        assert set(live) <= {"queued", "blocked"}
        while left := [slot for slot in slots(conversation) if slot is not None]:
            with unit_of_work() as session:
                query = select(Job.id).where(
                    Job.conversation_id == conversation, Job.slot == "queued"
                )
                [job_id] = session.scalars(query).all()
            assert cancel(client, job_id) == 200, left
