"""A POST with an Idempotency-Key is executed once, and always answered alike."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count

import pytest
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import select, update

from models.idempotency import IdempotencyKey, StoredAnswer, lock_key, store_answer, sweep
from models.lifecycle.endings import cancel
from models.session import unit_of_work
from models.users import get_or_create_user
from tests.integration.statements import executed_by_the_driver

from .rows import store_as_before

QUESTION = {"message": "What is the capital of France?", "metadata": {"a": "1", "b": "2"}}
KEPT_BYTES = b"\0" * 32
A_DAY = timedelta(hours=24)


@pytest.fixture
def user_id(backends, external_id) -> str:
    with unit_of_work() as session:
        return get_or_create_user(session, external_id)


@contextmanager
def owned(user_id: str, key: str) -> Iterator[None]:
    """Until the block ends, the first request with this key is in progress."""
    with unit_of_work() as session:
        assert lock_key(session, user_id, key) == (True, None)
        yield


def post(client: FlaskClient, key: str, body: object, path: str = "/v1/jobs"):
    return client.post(path, json=body, headers={"Idempotency-Key": key})


def jobs_of(client) -> list[str]:
    answer = client.get("/v1/jobs")
    body = answer.json if isinstance(answer.json, dict) else answer.json()
    return [job["id"] for job in body["data"]]


@contextmanager
def executed() -> Iterator[list[str]]:
    """The statements that this process executes in the block."""
    statements: list[str] = []
    with executed_by_the_driver(lambda query: statements.append(str(query))):
        yield statements


def age(user_id: str, key: str, by: timedelta) -> None:
    with unit_of_work() as session:
        session.execute(
            update(IdempotencyKey)
            .where(IdempotencyKey.user_id == user_id, IdempotencyKey.key == key)
            .values(created_at=IdempotencyKey.created_at - by)
        )


def keys_of(user_id: str) -> set[str]:
    with unit_of_work() as session:
        query = select(IdempotencyKey.key).where(IdempotencyKey.user_id == user_id)
        return set(session.scalars(query))


def test_the_same_key_and_body_get_the_same_answer_byte_for_byte(client):
    first = post(client, "k", QUESTION)
    second = post(client, "k", QUESTION)

    assert first.status_code == second.status_code == 202
    assert first.data == second.data
    for name in ("Location", "Retry-After", "Content-Type"):
        assert first.headers[name] == second.headers[name]
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert jobs_of(client) == [first.json["id"]]


@pytest.mark.parametrize("further", [False, True])
def test_the_times_of_the_answer_are_those_of_the_job(client, further):
    begun = {"conversation_id": client.post("/v1/jobs", json=QUESTION).json["conversation_id"]}
    body = QUESTION | {"metadata": {"created_at": "2026-01-31T09:30:00.125Z"}}

    first = post(client, "k", body | (begun if further else {}))

    assert client.get(first.headers["Location"]).json == first.json


def test_the_answer_stays_what_it_was_though_the_job_goes_on(client):
    first = post(client, "k", QUESTION)

    with unit_of_work() as session:
        assert cancel(session, first.json["id"])

    assert client.get(first.headers["Location"]).json["status"] == "cancelled"
    assert post(client, "k", QUESTION).data == first.data


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/jobs", QUESTION),
        ("/v1/broadcasts", QUESTION),
        ("/v1/conversations", {"title": "Capitals"}),
        ("/v1/responses", {"input": "hello", "background": True}),
        ("/api/chat", {"message": "hello"}),
    ],
)
def test_what_the_release_before_has_stored_is_answered_again(client, path, body):
    first = post(client, "k", body, path)
    store_as_before("k")

    second = post(client, "k", body, path)

    assert second.status_code == first.status_code < 300
    assert second.data == first.data
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers.get("Location") == first.headers.get("Location")


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/broadcasts"])
def test_what_the_release_before_has_stored_can_be_waited_for(client, path):
    first = post(client, "k", QUESTION, path)
    store_as_before("k")
    assert client.post(f"{first.headers['Location']}/cancel").status_code == 200

    headers = {"Idempotency-Key": "k", "Prefer": "wait=1"}
    second = client.post(path, json=QUESTION, headers=headers)

    assert (second.status_code, second.json["id"]) == (200, first.json["id"])
    assert second.json["status"] != first.json["status"]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Location"] == first.headers["Location"]


def test_a_body_is_the_same_whatever_its_white_space_and_the_order_of_its_names(client):
    first = post(client, "k", QUESTION)
    text = '{ "metadata": {"b": "2", "a": "1"},\n "message": "What is the capital of France?" }'

    second = client.post(
        "/v1/jobs",
        data=text,
        headers={"Idempotency-Key": "k", "Content-Type": "application/json"},
    )

    assert second.json["id"] == first.json["id"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/jobs", {"message": "Another one"}),
        ("/v1/jobs", {**QUESTION, "deadline_s": 5}),
        ("/v1/conversations", {"title": "Capitals"}),
    ],
)
def test_a_key_that_comes_with_another_call_or_body_is_refused(client, path, body):
    first = post(client, "k", QUESTION)

    other = post(client, "k", body, path)

    assert other.status_code == 422
    assert other.json["code"] == "idempotency_key_reused"
    assert jobs_of(client) == [first.json["id"]]


def test_a_conversation_and_a_chat_are_begun_once_for_a_key_as_well(client):
    for path, body in (
        ("/v1/conversations", {"title": "Capitals"}),
        ("/api/chat", {"message": "hello"}),
    ):
        first, second = post(client, path, body, path), post(client, path, body, path)

        assert first.status_code == second.status_code < 300
        assert first.data == second.data
    assert len(client.get("/v1/conversations").json["data"]) == 2
    assert len(jobs_of(client)) == 1


def test_two_users_may_use_the_same_key_and_share_nothing(client, stranger):
    mine, theirs = post(client, "k", QUESTION), post(stranger, "k", QUESTION)

    assert mine.status_code == theirs.status_code == 202
    assert mine.json["id"] != theirs.json["id"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ä"])
def test_a_key_that_is_none_is_refused_by_name_and_nothing_is_created(client, key):
    refused = post(client, key, QUESTION)

    assert refused.status_code == 400
    assert refused.json["code"] == "invalid_header"
    assert refused.json["errors"][0]["field"] == "Idempotency-Key"
    assert jobs_of(client) == []


@pytest.mark.parametrize("body", [{"message": ""}, {"message": "x", "mind": "nobody"}])
def test_a_post_that_failed_leaves_its_key_free(client, user_id, body):
    assert post(client, "k", body).status_code == 422

    assert keys_of(user_id) == set()
    assert post(client, "k", QUESTION).status_code == 202


def test_a_key_is_kept_for_a_day(client, user_id):
    first = post(client, "k", QUESTION)
    age(user_id, "k", A_DAY - timedelta(minutes=1))
    assert post(client, "k", QUESTION).json["id"] == first.json["id"]

    age(user_id, "k", timedelta(minutes=1))
    later = post(client, "k", {"message": "Another one"})

    assert later.status_code == 202
    assert "Idempotent-Replayed" not in later.headers
    assert post(client, "k", {"message": "Another one"}).json["id"] == later.json["id"]


@pytest.mark.parametrize(("path", "body"), [("/v1/jobs", QUESTION), ("/v1/conversations", {})])
def test_each_new_key_sweeps_a_few_of_the_expired_ones_out(client, user_id, path, body):
    for number in range(3):
        post(client, f"old-{number}", {}, "/v1/conversations")
        age(user_id, f"old-{number}", 40 * A_DAY)  # older than another test's

    post(client, "new", body, path)

    assert keys_of(user_id) == {"new"}


def test_an_answer_that_is_stored_is_not_replaced_by_a_transaction_that_did_not_see_it(user_id):
    first, second = StoredAnswer(KEPT_BYTES, {"n": 1}), StoredAnswer(KEPT_BYTES, {"n": 2})
    with unit_of_work() as session:
        assert store_answer(session, user_id, "k", first)

    with unit_of_work() as session:
        assert not store_answer(session, user_id, "k", second)
        assert lock_key(session, user_id, "k") == (True, first)


def test_a_first_message_is_accepted_with_its_key_by_one_statement(client):
    post(client, "warm", QUESTION)

    with executed() as statements:
        assert post(client, "k", QUESTION).status_code == 202

    written = [each for each in statements if "INSERT" in each]
    assert [table in written[0] for table in ("idempotency_keys", "jobs")] == [True, True]
    assert len(written) == 1


def test_a_sweep_passes_over_what_somebody_is_writing(client, user_id):
    post(client, "old", {}, "/v1/conversations")
    age(user_id, "old", 50 * A_DAY)

    with unit_of_work() as writing:
        store_answer(writing, user_id, "old", StoredAnswer(KEPT_BYTES, {}))
        with unit_of_work() as session:
            sweep(session, 100)

    assert keys_of(user_id) == {"old"}


def test_a_hundred_posts_with_one_key_at_once_make_one_job_that_is_published_once(
    serve, together, backends, until
):
    client = serve(WEB_CONCURRENCY="2")

    answers = together(100, lambda: post(client, "k", QUESTION))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    replayed = [answer for answer in answers if "Idempotent-Replayed" in answer.headers]
    assert len(replayed) == 99
    [job_id] = jobs_of(client)
    with Redis.from_url(backends["REDIS_URL"]) as redis:
        until(lambda: times_queued(redis, job_id) > 0)
        assert times_queued(redis, job_id) == 1


def times_queued(redis: Redis, job_id: str) -> int:
    return sum(f"{job_id}.1.intent".encode() in each for each in redis.lrange("llm", 0, -1))


def test_copies_that_wait_for_a_key_occupy_no_thread_or_connection_and_give_up_after_a_while(
    serve, together, user_id
):
    client = serve(DATABASE_POOL="2", WEB_THREADS="2")
    slowest = 0.0
    with owned(user_id, "k"):
        waiting = threading.Thread(
            target=lambda: answers.extend(together(40, lambda: post(client, "k", QUESTION)))
        )
        answers: list = []
        waiting.start()
        for number in count():
            asked = time.monotonic()
            assert post(client, f"other-{number}", QUESTION).status_code == 202
            slowest = max(slowest, time.monotonic() - asked)
            waiting.join(0.1)
            if not waiting.is_alive():
                break

    assert {answer.status_code for answer in answers} == {409}
    assert {answer.json()["code"] for answer in answers} == {"idempotency_in_progress"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers)
    assert slowest < 2
    assert post(client, "k", QUESTION).status_code == 202
