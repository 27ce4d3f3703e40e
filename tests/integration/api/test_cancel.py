"""POST /v1/jobs/{id}/cancel."""

import threading
import time

import pytest
from sqlalchemy import update

from models.jobs import Job
from models.lifecycle.endings import finished
from models.session import unit_of_work

from .rows import change

HELLO = {"message": "hello"}
UNKNOWN = "job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"
ENDS = {"completed": "job_completed", "failed": "job_failed", "expired": "job_expired"}
RUNNING = {
    "status": "in_progress",
    "slot": "running",
    "queue_lease_until": None,
    "run_token": "7b0b1d0e-0000-4000-8000-000000000000",
    "lease_until": Job.expires_at,
}


def end(job_id: str, status: str) -> None:
    change(job_id, **finished(status))


@pytest.fixture
def job(client) -> dict:
    return client.post("/v1/jobs", json=HELLO).json


def cancel(client, job: dict):
    return client.post(f"/v1/jobs/{job['id']}/cancel")


def test_a_queued_job_is_cancelled_and_again(client, job, stops):
    first, second = cancel(client, job), cancel(client, job)

    assert first.status_code == second.status_code == 200
    assert first.json == second.json == client.get(f"/v1/jobs/{job['id']}").json
    assert first.json["status"] == "cancelled"
    assert first.json["completed_at"] is not None
    assert first.json["output"] is first.json["error"] is None
    assert "Retry-After" not in first.headers
    assert stops() == [job["id"]]


def test_a_running_job_is_cancelled_at_once_and_its_receipt_shows_nothing_running(client, job):
    lines = {
        "intent": {"status": "completed", "ms": 3, "intent": "question"},
        "compress": {"status": "skipped", "ms": 0},
        "generate": {"status": "running"},
    }
    change(job["id"], stage="generate", stages=lines, **RUNNING)

    cancelled = cancel(client, job)

    assert cancelled.status_code == 200
    assert [(stage["status"], stage["ms"]) for stage in cancelled.json["stages"]] == [
        ("completed", 3),
        ("skipped", 0),
        ("pending", None),
        ("pending", None),
    ]


@pytest.mark.parametrize(
    ("columns", "output", "reason"),
    [
        ({"partial": "The capital"}, "The capital", None),
        ({"answer": "Paris.", "partial": "Par", "finish_reason": "stop"}, "Paris.", "stop"),
        ({"partial": None}, None, None),
    ],
)
def test_what_was_generated_is_kept(client, job, columns, output, reason):
    change(job["id"], **columns)

    cancelled = cancel(client, job).json

    assert (cancelled["output"], cancelled["finish_reason"]) == (output, reason)


@pytest.mark.parametrize(("status", "code"), ENDS.items())
def test_a_job_that_has_ended_otherwise_says_how_and_stays(client, job, stops, status, code):
    end(job["id"], status)

    refused = cancel(client, job)

    assert refused.status_code == 409
    assert refused.json["code"] == code
    assert status in refused.json["detail"]
    assert client.get(f"/v1/jobs/{job['id']}").json["status"] == status
    assert stops() == []


def test_a_foreign_job_is_as_unknown_as_none_and_goes_on(client, stranger, job):
    foreign, unknown = cancel(stranger, job), cancel(stranger, {"id": UNKNOWN})

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json["detail"] == unknown.json["detail"]
    assert client.get(f"/v1/jobs/{job['id']}").json["status"] == "queued"


@pytest.mark.parametrize(("status", "code"), ENDS.items())
def test_a_cancel_that_loses_a_race_says_who_won(client, job, blocked, status, code):
    answers: list = []
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job["id"]).values(**finished(status)))
        late = threading.Thread(target=lambda: answers.append(cancel(client, job)))
        late.start()
        blocked()
    late.join(10)

    assert answers[0].status_code == 409
    assert answers[0].json["code"] == code


def test_cancels_that_come_at_once_all_succeed_and_one_is_announced(
    client_of, external_id, job, together, stops
):
    answers = together(8, lambda: cancel(client_of(external_id), job))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.data for answer in answers}) == 1
    assert stops() == [job["id"]]


def test_without_redis_a_job_is_cancelled_all_the_same(serve, dead_address):
    client = serve(REDIS_URL=f"redis://{dead_address}/0")
    job = client.post("/v1/jobs", json=HELLO).json()
    started = time.monotonic()

    assert cancel(client, job).json()["status"] == "cancelled"

    assert time.monotonic() - started < 3
