"""A stream token opens the stream of one job for a while, and nothing else."""

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient


@pytest.fixture
def anybody(app: Flask) -> FlaskClient:
    """A client that authenticates by nothing."""
    return app.test_client()


def submit(client: FlaskClient | httpx.Client) -> str:
    answer = client.post("/v1/jobs", json={"message": "hello"})
    body = answer.json() if callable(answer.json) else answer.json
    return str(body["id"])


def made(client: FlaskClient, job_id: str) -> dict[str, str]:
    body: dict[str, str] = dict(client.post(f"/v1/jobs/{job_id}/stream-token").json or {})
    return body


def refusal(client: FlaskClient, path: str) -> tuple[int, str]:
    answer = client.get(path)
    return answer.status_code, answer.json["code"]


def test_it_opens_the_stream_of_its_job(client, anybody) -> None:
    job_id = submit(client)
    client.post(f"/v1/jobs/{job_id}/cancel")

    body = made(client, job_id)
    stream = anybody.get(body["url"])

    assert body.keys() == {"object", "job_id", "token", "expires_at", "url"}
    assert body["url"] == f"/v1/jobs/{job_id}/events?token={body['token']}"
    assert stream.status_code == 200
    assert stream.text == client.get(f"/v1/jobs/{job_id}/events").text
    assert "event: job.cancelled" in stream.text
    assert stream.headers["Referrer-Policy"] == "no-referrer"


def test_it_resumes_the_stream(client, anybody) -> None:
    job_id = submit(client)
    client.post(f"/v1/jobs/{job_id}/cancel")
    url = made(client, job_id)["url"]

    rest = anybody.get(url, headers={"Last-Event-ID": "1"})

    assert "id: 1\n" not in rest.text
    assert "event: job.cancelled" in rest.text


@pytest.mark.parametrize(
    "path",
    [
        "/v1/jobs",
        "/v1/jobs/{job_id}",
        "/v1/jobs/{job_id}/prompt",
        "/v1/conversations",
        "/v1/jobs/{other}/events",
    ],
)
def test_it_opens_nothing_else(client, anybody, path) -> None:
    job_id, other = submit(client), submit(client)
    token = made(client, job_id)["token"]

    where = path.format(job_id=job_id, other=other)

    assert refusal(anybody, f"{where}?token={token}") == (401, "unauthorized")
    assert anybody.get(where, headers={"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize("call", ["cancel", "retry", "stream-token"])
def test_it_changes_nothing(client, anybody, call) -> None:
    job_id = submit(client)
    token = made(client, job_id)["token"]

    assert anybody.post(f"/v1/jobs/{job_id}/{call}?token={token}").status_code == 401
    assert client.get(f"/v1/jobs/{job_id}").json["status"] == "queued"


def test_one_that_was_changed_opens_nothing(client, stranger, anybody) -> None:
    job_id = submit(client)
    token = made(client, job_id)["token"]
    expires, user, origin, signature = token.removeprefix("tmst_").split(".")
    foreign = made(stranger, submit(stranger))["token"].split(".")[1]

    for forged in (
        f"tmst_{int(expires) + 1}.{user}.{origin}.{signature}",
        f"tmst_{expires}.{foreign}.{origin}.{signature}",
        f"tmst_{expires}.{user}.{foreign}.{signature}",
        f"tmst_{expires}.{user}.{origin}.{signature[::-1]}",
        f"tmst_{expires}.{user}.{signature}",
        f"tmst_{expires}.{user}.{origin}.",
        f"{expires}.{user}.{origin}.{signature}",
        "",
        "x" * 5000,
    ):
        path = f"/v1/jobs/{job_id}/events?token={forged}"
        assert refusal(anybody, path) == (401, "unauthorized")
        # It counts even beside a key that would do.
        assert refusal(client, path) == (401, "unauthorized")


def test_a_foreign_job_has_none(client, stranger) -> None:
    refused = stranger.post(f"/v1/jobs/{submit(client)}/stream-token")

    assert (refused.status_code, refused.json["code"]) == (404, "not_found")


@pytest.mark.no_cover  # what is tested runs in another process
def test_it_expires_with_a_reason_and_is_in_no_log(serve, servers, web_log, until) -> None:
    web = serve(STREAM_TOKEN_S="1", LOG_LEVEL="DEBUG")
    job_id = submit(web)
    web.post(f"/v1/jobs/{job_id}/cancel")
    body = web.post(f"/v1/jobs/{job_id}/stream-token").json()
    assert web.get(body["url"]).status_code == 200

    until(lambda: web.get(body["url"]).status_code == 401)

    refused = web.get(body["url"])
    assert refused.json()["code"] == "stream_token_expired"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    log = web_log.read_text()
    assert f"/v1/jobs/{job_id}/events" in log
    assert body["token"] not in log
    assert "tmst_" not in log
