"""GET /v1/jobs/{id}: `ETag` and 304, and `Prefer: wait=N`."""

import threading
import time
from collections.abc import Callable
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import select

from models.jobs import Job
from models.lifecycle.endings import cancel
from models.lifecycle.fence import Fence
from models.lifecycle.transitions import begin
from models.session import unit_of_work
from models.spent import Spent, add_late
from tasks.events.publisher import publish_end

from .test_events import ANSWER, HELLO, finish, generating


@pytest.fixture
def job(client) -> str:
    return client.post("/v1/jobs", json=HELLO).json["id"]


def test_what_has_not_changed_is_a_304_and_says_when_to_ask_again(client, job):
    first = client.get(f"/v1/jobs/{job}")
    again = client.get(f"/v1/jobs/{job}", headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Retry-After"] == first.headers["Retry-After"]


def test_what_has_changed_is_sent_whole(client, job):
    etag = client.get(f"/v1/jobs/{job}").headers["ETag"]
    finish(job)

    again = client.get(f"/v1/jobs/{job}", headers={"If-None-Match": etag})

    assert (again.status_code, again.json["status"]) == (200, "completed")
    assert again.headers["ETag"] != etag


def test_text_that_is_saved_meanwhile_is_no_change_of_the_job(client, job):
    generating(job, "Half")
    etag = client.get(f"/v1/jobs/{job}").headers["ETag"]

    again = client.get(f"/v1/jobs/{job}", headers={"If-None-Match": f'"other", {etag}'})

    assert again.status_code == 304


def test_a_job_that_was_read_is_anothers_no_less(client, stranger, job):
    finish(job)
    etag = client.get(f"/v1/jobs/{job}").headers["ETag"]

    for headers, status in (({}, 200), ({"If-None-Match": etag}, 304)):
        assert stranger.get(f"/v1/jobs/{job}", headers=headers).status_code == 404
        assert client.get(f"/v1/jobs/{job}", headers=headers).status_code == status


def test_the_text_of_a_job_that_was_read_goes_with_its_conversation(client, job):
    finish(job)
    read = client.get(f"/v1/jobs/{job}")
    assert read.json["output"] == ANSWER
    client.delete(f"/v1/conversations/{read.json['conversation_id']}")

    again = client.get(f"/v1/jobs/{job}", headers={"If-None-Match": read.headers["ETag"]})

    assert again.status_code == 200
    assert (again.json["output"], again.json["conversation_id"]) == (None, None)


def test_late_costs_of_a_cancelled_job_that_was_read_are_shown(client, job):
    fence = generating(job, "Half")
    client.post(f"/v1/jobs/{job}/cancel")
    before = client.get(f"/v1/jobs/{job}").json["usage"]
    with unit_of_work() as session:
        add_late(session, fence, 0, Spent(3, 7, Decimal("0.5")))

    after = client.get(f"/v1/jobs/{job}").json["usage"]

    assert (before["cost_usd"], after["cost_usd"]) == ("0.000000", "0.500000")


def test_a_wait_for_a_job_that_has_ended_is_none(client, job):
    finish(job)
    began = time.monotonic()

    answer = client.get(f"/v1/jobs/{job}", headers={"Prefer": "wait=20"})

    assert (answer.json["status"], time.monotonic() - began < 5) == ("completed", True)


def test_a_wait_that_is_too_short_answers_with_what_there_is(client):
    answer = client.post("/v1/jobs", json=HELLO, headers={"Prefer": "respond-async, wait=1"})

    assert (answer.status_code, answer.json["status"]) == (202, "queued")
    assert answer.headers["Preference-Applied"] == "wait=1"


def begin_next(newest: Callable[[], list[str]], until: Callable[..., None]) -> threading.Thread:
    """Begin the next job as soon as there is one, while the call that creates it waits for it."""
    before = newest()

    def begin_it() -> None:
        until(lambda: newest() != before)
        with unit_of_work() as session:
            assert begin(session, Fence(newest()[0], 1, "intent", uuid4()))

    thread = threading.Thread(target=begin_it)
    thread.start()
    return thread


def test_every_post_whose_wait_ran_out_answers_with_what_there_is_by_then(client, until):
    def newest() -> list[str]:
        with unit_of_work() as session:
            return list(session.scalars(select(Job.id).order_by(Job.id.desc()).limit(1)))

    cancelled = client.post("/v1/jobs", json=HELLO).json["id"]
    client.post(f"/v1/jobs/{cancelled}/cancel")
    merged = client.post("/v1/broadcasts", json=HELLO).json
    for job in merged["jobs"]:
        finish(job["id"])
    for path, body in (
        ("/v1/jobs", HELLO),
        ("/v1/broadcasts", HELLO),
        (f"/v1/jobs/{cancelled}/retry", {}),
        (f"/v1/broadcasts/{merged['id']}/merge", {}),
    ):
        beginning = begin_next(newest, until)
        answer = client.post(path, json=body, headers={"Prefer": "wait=2"})
        beginning.join()

        assert (answer.status_code, answer.json["status"]) == (202, "in_progress"), path
        assert answer.json == client.get(answer.headers["Location"]).json
        assert answer.headers["Preference-Applied"] == "wait=2"
        assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/broadcasts"])
def test_a_key_that_comes_again_answers_as_it_did_or_after_a_wait_with_what_there_is(client, path):
    key = {"Idempotency-Key": f"again {path}".replace(" ", "")}
    first = client.post(path, json=HELLO, headers=key)
    for job in first.json.get("jobs", [first.json]):
        finish(job["id"])

    again = client.post(path, json=HELLO, headers=key)
    waited = client.post(path, json=HELLO, headers={**key, "Prefer": "wait=5"})

    assert (again.status_code, again.data) == (202, first.data)
    assert (waited.status_code, waited.json["status"]) == (200, "completed")
    assert waited.headers["Location"] == first.headers["Location"]
    assert waited.headers["Idempotent-Replayed"] == "true"
    assert "Retry-After" not in waited.headers


def test_a_published_end_wakes_all_who_wait(serve, job_of, together):
    client = serve()
    job_id = job_of(client)
    answers: list = []
    readers = [
        threading.Thread(
            target=lambda: answers.append(
                client.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=15"})
            )
        )
        for _ in range(5)
    ]
    for reader in readers:
        reader.start()
    with unit_of_work() as session:
        assert cancel(session, job_id)
    publish_end(job_id)
    for reader in readers:
        reader.join(20)

    assert [answer.json()["status"] for answer in answers] == ["cancelled"] * 5
    assert all(answer.elapsed.total_seconds() < 10 for answer in answers)


@pytest.fixture
def job_of():
    return lambda client: client.post("/v1/jobs", json=HELLO).json()["id"]


def test_an_unpublished_end_is_found_by_polling(serve, job_of):
    client = serve()
    job_id = job_of(client)
    ended = threading.Timer(0.5, finish, [job_id])
    ended.start()

    answer = client.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=20"})

    ended.join()
    assert answer.json()["status"] == "completed"
    assert answer.elapsed.total_seconds() < 15


def test_without_redis_a_wait_ends_all_the_same(serve, job_of, dead_address):
    client = serve(REDIS_URL=f"redis://{dead_address}/0")
    job_id = job_of(client)
    ended = threading.Timer(0.5, finish, [job_id])
    ended.start()

    answer = client.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=15"})

    ended.join()
    assert answer.json()["status"] == "completed"


@pytest.mark.parametrize("sent", ["wait", "wait=x", "wait=-1", "wait=0", "", "nothing", "wait=1x"])
def test_a_preference_that_cannot_be_understood_is_ignored(client, job, sent):
    answer = client.get(f"/v1/jobs/{job}", headers={"Prefer": sent})

    assert answer.status_code == 200
    assert "Preference-Applied" not in answer.headers
