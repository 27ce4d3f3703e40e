"""POST /v1/jobs/cancel: all unfinished jobs that match."""

from datetime import UTC, datetime

import pytest

from .rows import change

UNKNOWN = "conv_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"


def submit(client, **fields) -> dict:
    response = client.post("/v1/jobs", json={"message": "hello"} | fields)
    assert response.status_code == 202
    return response.json


def cancel(client, **filters) -> dict:
    response = client.post("/v1/jobs/cancel", json=filters)
    assert response.status_code == 200
    return response.json


def status(client, job: dict) -> str:
    return client.get(f"/v1/jobs/{job['id']}").json["status"]


def test_all_unfinished_jobs_that_match_are_cancelled(client, stops):
    jobs = [submit(client) for _ in range(3)]
    assert cancel(client, status="queued") == {
        "object": "cancellation",
        "cancelled": 3,
        "has_more": False,
    }
    assert {status(client, job) for job in jobs} == {"cancelled"}
    assert sorted(stops()) == sorted(job["id"] for job in jobs)
    assert cancel(client, status="queued")["cancelled"] == 0


def test_filters_are_combined(client):
    bulk, other = submit(client, priority="bulk"), submit(client)
    begun = submit(client, priority="bulk")
    change(begun["id"], status="in_progress")
    assert cancel(client, priority="bulk", status="queued")["cancelled"] == 1
    assert [status(client, job) for job in (bulk, other, begun)] == [
        "cancelled",
        "queued",
        "in_progress",
    ]
    assert cancel(client, priority="interactive")["cancelled"] == 1
    assert cancel(client, ids=[begun["id"], bulk["id"]])["cancelled"] == 1


def test_jobs_of_a_conversation_or_a_broadcast_are_cancelled_whatever_blocks_them(client):
    first, other = submit(client), submit(client)
    submit(client, conversation_id=first["conversation_id"])
    assert cancel(client, conversation_id=first["conversation_id"])["cancelled"] == 2
    fields = {"message": "hello", "minds": ["sage", "muse"]}
    broadcast = client.post("/v1/broadcasts", json=fields).json
    assert cancel(client, broadcast_id=broadcast["id"])["cancelled"] == 2
    assert status(client, other) == "queued"


def test_jobs_created_before_a_time_are_cancelled(client):
    old, new = submit(client), submit(client)
    moment = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    change(old["id"], created_at=moment)
    assert cancel(client, before="2026-01-31T09:30:00Z")["cancelled"] == 0
    assert cancel(client, before="2026-01-31T10:30:00.000001+01:00")["cancelled"] == 1
    assert [status(client, job) for job in (old, new)] == ["cancelled", "queued"]
    assert cancel(client, before="2999-12-31T23:59:59-23:59")["cancelled"] == 1


def test_a_strangers_jobs_are_unknown(client, stranger):
    job = submit(client)
    for filters in (
        {"status": "queued"},
        {"ids": [job["id"]]},
        {"conversation_id": job["conversation_id"]},
    ):
        assert cancel(stranger, **filters)["cancelled"] == 0
    assert cancel(client, conversation_id=UNKNOWN)["cancelled"] == 0
    assert status(client, job) == "queued"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"status": "completed"}, "status"),
        ({"priority": "urgent"}, "priority"),
        ({"ids": ["job_1"] * 1001}, "ids"),
        ({"mind": "sage"}, "mind"),
        ({"ids": [7]}, "ids.0"),
        ({"status": None}, "status"),
        ({"before": "2026-01-31"}, "before"),
        ({"before": "2026-01-31T09:30:00"}, "before"),
        ({"before": "2026-02-30T09:30:00Z"}, "before"),
        ({"before": "2026-01-31T09:30:00+99:00"}, "before"),
        ({"before": "0001-01-01T00:00:00Z"}, "before"),
        ({"before": 1769851800}, "before"),
        ({"before": None}, "before"),
        ({}, ""),
    ],
)
def test_a_filter_that_is_none_is_refused_by_its_name(client, body, field):
    response = client.post("/v1/jobs/cancel", json=body)
    assert response.status_code == 422
    assert [error["field"] for error in response.json["errors"]] == [field]


def test_a_job_shows_its_priority_and_a_retry_keeps_it(client):
    job = submit(client, priority="bulk")
    assert (job["priority"], submit(client)["priority"]) == ("bulk", "interactive")
    assert client.get(f"/v1/jobs/{job['id']}").json["priority"] == "bulk"
    client.post(f"/v1/jobs/{job['id']}/cancel")
    assert client.post(f"/v1/jobs/{job['id']}/retry").json["priority"] == "bulk"


def test_all_jobs_of_a_broadcast_have_its_priority(client):
    body = {"message": "hello", "minds": ["sage", "muse"], "priority": "bulk"}
    jobs = client.post("/v1/broadcasts", json=body).json["jobs"]
    assert [job["priority"] for job in jobs] == ["bulk", "bulk"]
