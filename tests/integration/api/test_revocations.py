"""Streams and waits end with the access that opened them."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import func, update

from app.auth.bearer import USER_HEADER
from app.auth.jwt import LEEWAY_S
from app.cli import main
from models.api_keys import ApiKey
from models.lifecycle.user_deletion import begin_deletion
from models.session import unit_of_work
from tasks.events.revocations import announce_revocation
from tests.issuer import Issuer, serving_issuer

Serve = Callable[..., httpx.Client]
Headers = dict[str, str]

pytestmark = pytest.mark.no_cover  # what is tested runs in another process


@pytest.fixture
def web(serve: Serve) -> httpx.Client:
    return serve()


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serving_issuer() as running:
        yield running


def new_key(web: httpx.Client, **fields: object) -> dict[str, Any]:
    made: dict[str, Any] = web.post("/v1/keys", json=fields).json()
    return made


def bearer(key: str) -> Headers:
    return {"Authorization": f"Bearer {key}"}


def new_job(web: httpx.Client) -> str:
    return str(web.post("/v1/jobs", json={"message": "hello"}).json()["id"])


def events_of(job_id: str) -> str:
    return f"/v1/jobs/{job_id}/events"


@contextmanager
def following(web: httpx.Client, path: str, headers: Headers) -> Iterator[Iterator[str]]:
    """The lines of an open stream, whose first event has come."""
    with web.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        lines = response.iter_lines()
        assert any(line.startswith("data:") for line in lines)
        yield lines


def has_access_ended(lines: Iterator[str]) -> bool:
    """Read to the end of the stream; whether its last event says that the access has ended."""
    rest = [line for line in lines if line and not line.startswith(":")]
    named = [line for line in rest if line.startswith("event:")]
    if named[-1:] != ["event: access.ended"]:
        return False
    assert '"code":"unauthorized"' in rest[-1]
    return not any(line.startswith("id:") for line in rest[-2:])


def refused(web: httpx.Client, path: str, headers: Headers) -> bool:
    answer = web.get(path, headers=headers)
    return answer.status_code == 401 and answer.json()["code"] == "unauthorized"


def test_a_keys_streams_end_when_another_process_revokes_it_and_no_others(
    web: httpx.Client, serve: Serve
) -> None:
    other = serve(LOG_LEVEL="ERROR")
    mine, theirs, job_id = new_key(web), new_key(web), new_job(web)
    path = events_of(job_id)
    with (
        following(web, path, bearer(mine["key"])) as ending,
        following(web, path, bearer(theirs["key"])) as going_on,
        following(web, path, {}) as of_service,
    ):
        assert other.delete(f"/v1/keys/{mine['id']}").status_code == 204

        assert has_access_ended(ending)
        assert refused(web, path, bearer(mine["key"]))
        web.post(f"/v1/jobs/{job_id}/cancel")
        for lines in (going_on, of_service):
            assert "event: job.cancelled" in list(lines)


@pytest.mark.parametrize("kind", ["broadcasts", "conversations"])
def test_streams_of_several_jobs_end_too(web: httpx.Client, kind: str) -> None:
    key = new_key(web)
    made = web.post("/v1/broadcasts", json={"message": "hello"}).json()
    found = {"broadcasts": made["id"], "conversations": made["conversation_id"]}[kind]
    with following(web, f"/v1/{kind}/{found}/events", bearer(key["key"])) as lines:
        web.delete(f"/v1/keys/{key['id']}")

        assert has_access_ended(lines)


def test_a_command_revokes_at_once(web: httpx.Client) -> None:
    key, job_id = new_key(web), new_job(web)
    with following(web, events_of(job_id), bearer(key["key"])) as lines:
        done = CliRunner().invoke(main, ["key", "revoke", key["id"]])
        assert done.exit_code == 0, done.output

        assert has_access_ended(lines)


def test_a_rotated_keys_streams_go_on_for_the_overlap(web: httpx.Client) -> None:
    key, job_id = new_key(web), new_job(web)
    with following(web, events_of(job_id), bearer(key["key"])) as lines:
        new = web.post(f"/v1/keys/{key['id']}/rotate", json={"overlap_s": 60}).json()
        web.post(f"/v1/jobs/{job_id}/cancel")
        assert "event: job.cancelled" in list(lines)

    job_id = new_job(web)
    with following(web, events_of(job_id), bearer(new["key"])) as lines:
        web.post(f"/v1/keys/{new['id']}/rotate", json={"overlap_s": 0})
        assert has_access_ended(lines)


def test_a_key_that_expires_ends_its_streams(web: httpx.Client) -> None:
    job_id, key = new_job(web), new_key(web, expires_in_s=2)
    with following(web, events_of(job_id), bearer(key["key"])) as lines:
        assert has_access_ended(lines)


def test_a_jwts_streams_end_when_it_expires(serve: Serve, issuer: Issuer, external_id: str) -> None:
    web = serve(JWT_ISSUER=issuer.url)
    made = web.post(
        "/v1/jobs", json={"message": "hello"}, headers=bearer(issuer.token(external_id))
    )
    token = issuer.token(external_id, exp=int(time.time()) - LEEWAY_S + 3)
    with following(web, events_of(made.json()["id"]), bearer(token)) as lines:
        assert has_access_ended(lines)
    assert refused(web, events_of(made.json()["id"]), bearer(token))


@pytest.fixture
def browser(web: httpx.Client) -> Iterator[tuple[httpx.Client, dict[str, Any], Headers]]:
    """A client that is signed in by a key, the key, and the headers of its session."""
    key = new_key(web)
    signed_in = web.post("/v1/session", json={"key": key["key"]})
    headers = {
        "Cookie": signed_in.headers["Set-Cookie"].split(";")[0],
        "X-CSRF-Token": signed_in.json()["csrf_token"],
    }
    kept = {name: web.headers.pop(name) for name in ("Authorization", USER_HEADER)}
    yield web, key, headers
    web.headers.update(kept)


@pytest.mark.parametrize("how", ["signed out", "key revoked"])
def test_a_browsers_streams_end_with_its_session(
    browser: tuple[httpx.Client, dict[str, Any], Headers], how: str
) -> None:
    web, key, headers = browser
    made = web.post("/v1/jobs", json={"message": "hello"}, headers=headers).json()
    with following(web, events_of(made["id"]), headers) as lines:
        if how == "signed out":
            assert web.delete("/v1/session", headers=headers).status_code == 204
        else:
            by = bearer(key["key"])
            assert web.delete(f"/v1/keys/{key['id']}", headers=by).status_code == 204

        assert has_access_ended(lines)


def test_a_stream_token_dies_with_the_key_that_created_it(web: httpx.Client) -> None:
    key, job_id = new_key(web), new_job(web)
    made = web.post(f"/v1/jobs/{job_id}/stream-token", headers=bearer(key["key"])).json()
    of_service = web.post(f"/v1/jobs/{job_id}/stream-token").json()
    with (
        following(web, made["url"], {}) as ending,
        following(web, of_service["url"], {}) as going_on,
    ):
        web.delete(f"/v1/keys/{key['id']}")

        assert has_access_ended(ending)
        assert refused(web, made["url"], {})
        web.post(f"/v1/jobs/{job_id}/cancel")
        assert "event: job.cancelled" in list(going_on)


def test_a_deleted_users_streams_and_tokens_end(web: httpx.Client, external_id: str) -> None:
    job_id = new_job(web)
    token = web.post(f"/v1/jobs/{job_id}/stream-token").json()
    with following(web, events_of(job_id), {}) as lines, following(web, token["url"], {}) as shown:
        with unit_of_work() as session:
            user_id = begin_deletion(session, external_id)
        assert user_id is not None
        announce_revocation(user_id)

        assert has_access_ended(lines)
        assert has_access_ended(shown)
    assert refused(web, token["url"], {})


@contextmanager
def waiting(call: Callable[[], httpx.Response]) -> Iterator[Future[httpx.Response]]:
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(call)


def is_held(web: httpx.Client, key_id: str) -> bool:
    """Whether a call by this key has come in."""
    return web.get(f"/v1/keys/{key_id}").json()["last_used_at"] is not None


def test_a_wait_ends_with_its_key(web: httpx.Client, until: Callable[..., None]) -> None:
    key, job_id = new_key(web), new_job(web)
    headers = {**bearer(key["key"]), "Prefer": "wait=20"}
    with waiting(lambda: web.get(f"/v1/jobs/{job_id}", headers=headers)) as answer:
        until(lambda: is_held(web, key["id"]))
        web.delete(f"/v1/keys/{key['id']}")

    assert answer.result().status_code == 401


def test_a_job_that_was_accepted_is_shown_after_the_wait_all_the_same(
    web: httpx.Client, until: Callable[..., None]
) -> None:
    key = new_key(web)
    headers = {**bearer(key["key"]), "Prefer": "wait=20"}
    hello = {"message": "hello"}
    with waiting(lambda: web.post("/v1/jobs", json=hello, headers=headers)) as answer:
        until(lambda: web.get("/v1/jobs").json()["data"] and is_held(web, key["id"]))
        web.delete(f"/v1/keys/{key['id']}")

    assert answer.result().status_code == 202
    assert answer.result().json()["status"] == "queued"


def test_a_response_that_is_held_or_streamed_ends_with_its_key(
    web: httpx.Client, until: Callable[..., None]
) -> None:
    key, asked = new_key(web), {"model": "auto", "input": "hello"}
    headers = bearer(key["key"])
    with waiting(lambda: web.post("/v1/responses", json=asked, headers=headers)) as answer:
        until(lambda: web.get("/v1/jobs").json()["data"] and is_held(web, key["id"]))
        streamed = {**asked, "stream": True, "background": True}
        with web.stream("POST", "/v1/responses", json=streamed, headers=headers) as response:
            lines = response.iter_lines()
            assert any(line.startswith("data:") for line in lines)
            web.delete(f"/v1/keys/{key['id']}")
            rest = list(lines)

    assert [line for line in rest if line.startswith("event:")][-1] == "event: error"
    assert answer.result().status_code == 401
    assert answer.result().json()["error"]["code"] == "invalid_api_key"


def revoke_silently(key_id: str) -> None:
    """Revoke a key without notifying anybody."""
    with unit_of_work() as session:
        mine = update(ApiKey).where(ApiKey.id == key_id)
        session.execute(mine.values(revoked_at=func.now()))


@pytest.mark.parametrize("redis", ["away", "there"])
def test_a_revocation_that_is_not_announced_is_noticed(
    serve: Serve, dead_address: str, redis: str
) -> None:
    web = serve(**({"REDIS_URL": f"redis://{dead_address}/0"} if redis == "away" else {}))
    key, job_id = new_key(web), new_job(web)
    with following(web, events_of(job_id), bearer(key["key"])) as lines:
        revoke_silently(key["id"])

        assert has_access_ended(lines)
