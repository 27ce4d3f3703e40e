"""A job's deadline."""

from datetime import datetime

import pytest

from config.settings import get_settings


def submit(client, headers: dict[str, str] | None = None, **body: object):
    return client.post("/v1/jobs", json={"message": "hello", **body}, headers=headers)


def lifetime_s(job: dict) -> float:
    expires, created = (datetime.fromisoformat(job[name]) for name in ("expires_at", "created_at"))
    return (expires - created).total_seconds()


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({}, {"deadline_s": 1}, 1),
        ({}, {"deadline_s": 86_400}, 86_400),
        ({"Cancel-After": "90"}, {}, 90),
        ({"Cancel-After": "90"}, {"deadline_s": 90}, 90),
        ({"Cancel-After": "90"}, {"deadline_s": None}, 90),
    ],
)
def test_a_job_expires_when_its_submitter_says(client, headers, body, seconds):
    response = submit(client, headers, **body)

    assert response.status_code == 202
    assert lifetime_s(response.json) == pytest.approx(seconds, abs=0.5)


def test_a_job_without_a_deadline_of_its_own_has_that_of_the_settings(client):
    job = submit(client).json

    assert lifetime_s(job) == pytest.approx(get_settings().deadline_s, abs=0.5)


@pytest.mark.parametrize(
    ("deadline", "code"),
    [
        (0, "too_small"),
        (-1, "too_small"),
        (86_401, "too_large"),
        (10**30, "too_large"),
        ("60", "not_an_integer"),
        (1.5, "not_an_integer"),
        (True, "not_an_integer"),
    ],
)
def test_a_deadline_that_can_not_be_meant_is_refused_by_name(client, deadline, code):
    refused = submit(client, deadline_s=deadline)

    assert refused.status_code == 422
    assert refused.json["errors"][0]["field"] == "deadline_s"
    assert refused.json["errors"][0]["code"] == code


@pytest.mark.parametrize("sent", ["0", "86401", "soon", "-5", ""])
def test_a_header_that_can_not_be_meant_is_refused_by_name(client, sent):
    refused = submit(client, {"Cancel-After": sent})

    assert refused.status_code == 400
    assert refused.json["code"] == "invalid_header"
    assert refused.json["errors"][0]["field"] == "Cancel-After"


def test_a_body_and_a_header_that_contradict_each_other_are_refused(client):
    refused = submit(client, {"Cancel-After": "60"}, deadline_s=61)

    assert refused.status_code == 422
    assert refused.json["errors"][0] == {
        "field": "deadline_s",
        "code": "contradiction",
        "message": "must equal the header Cancel-After",
    }
    assert client.get("/v1/jobs").json["data"] == []
