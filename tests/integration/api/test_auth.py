"""Authentication."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, func, select, update

from app.auth.bearer import USER_HEADER
from app.auth.key_cache import known_keys
from app.cli import main
from config.redis import redis_client
from config.settings import get_settings
from models.api_keys import ApiKey, create_key, digest_of
from models.audit_lists import list_entries
from models.session import unit_of_work
from models.users import User, get_or_create_user
from tasks.events.envelope import channel_of
from tasks.events.revocations import NO_JOB


@pytest.fixture
def key(backends, external_id) -> str:
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        return create_key(session, user_id, "test", get_settings().pepper)


def digest(key: str) -> bytes:
    return digest_of(key, get_settings().pepper)


def subscribers() -> int:
    """How many processes hear of revocations."""
    channel = channel_of(NO_JOB)
    return dict(redis_client().pubsub_numsub(channel))[channel]


def bearer(token: str, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **headers}


def test_a_key_and_a_service_that_names_its_owner_see_the_same_jobs(app, client, key):
    job = client.post("/v1/jobs", json={"message": "hello"}).json

    by_key = app.test_client().get(f"/v1/jobs/{job['id']}", headers=bearer(key))

    assert by_key.json == job


def test_a_key_is_its_owners_whatever_user_is_named_beside_it(app, client, key, external_id):
    job = client.post("/v1/jobs", json={"message": "hello"}).json

    named = app.test_client().get(
        "/v1/jobs", headers=bearer(key, **{USER_HEADER: f"other-{external_id}"})
    )

    assert [found["id"] for found in named.json["data"]] == [job["id"]]


def test_a_revoked_key_no_longer_opens(app, key):
    with unit_of_work() as session:
        session.execute(
            update(ApiKey).where(ApiKey.digest == digest(key)).values(revoked_at=func.now())
        )

    assert app.test_client().get("/v1/jobs", headers=bearer(key)).status_code == 401


@pytest.fixture
def kept_for_long(backends) -> Iterator[None]:
    """This process keeps keys for longer than the test waits."""
    keys = known_keys()
    before, keys.fresh_s = keys.fresh_s, 60
    yield
    keys.fresh_s = before
    keys.clear()


@pytest.mark.usefixtures("kept_for_long")
def test_a_process_that_keeps_a_key_is_told_of_its_revocation(app, key, until):
    def status() -> int:
        return app.test_client().get("/v1/jobs", headers=bearer(key)).status_code

    assert status() == 200
    until(lambda: subscribers() > 0)
    with unit_of_work() as session:
        [found] = session.scalars(select(ApiKey.id).where(ApiKey.digest == digest(key)))

    revoked = CliRunner().invoke(main, ["key", "revoke", found])

    assert revoked.exit_code == 0, revoked.output
    until(lambda: status() == 401)


def test_a_deleted_user_with_a_key_that_was_just_used_is_refused(app, key, external_id):
    mine = app.test_client()
    assert mine.get("/v1/jobs", headers=bearer(key)).status_code == 200
    with unit_of_work() as session:
        session.execute(delete(User).where(User.external_id == external_id))

    refused = mine.post("/v1/jobs", json={"message": "hello"}, headers=bearer(key))

    assert (refused.status_code, refused.json["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        bearer("tm_" + "x" * 43),
        bearer("x" * 43, **{USER_HEADER: "somebody"}),
        bearer("tm_ü", **{USER_HEADER: "somebody"}),
    ],
)
def test_a_caller_without_a_valid_key_is_refused(app, backends, headers):
    response = app.test_client().get("/v1/jobs", headers=headers)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.mimetype == "application/problem+json"
    assert response.json["code"] == "unauthorized"


@pytest.mark.parametrize(
    ("name", "code"),
    [("", "missing"), ("a b", "invalid"), ("é", "invalid"), ("x" * 256, "invalid")],
)
def test_a_service_must_name_its_user(app, backends, name, code):
    response = app.test_client().get(
        "/v1/jobs", headers=bearer(backends["SHARED_SECRET"], **{USER_HEADER: name})
    )

    assert response.status_code == 400
    assert response.json["errors"][0]["field"] == USER_HEADER
    assert response.json["errors"][0]["code"] == code


def test_a_user_is_created_on_first_sight_once_however_many_ask(client_of):
    external_id = f"crowd-{secrets.token_hex(8)}"

    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(client_of(external_id).get, "/v1/conversations") for _ in range(16)]
    assert {response.result().status_code for response in asked} == {200}
    with unit_of_work() as session:
        of_that_name = select(func.count()).where(User.external_id == external_id)
        assert session.scalar(of_that_name) == 1
        [created] = list_entries(session, user=external_id)
    assert (created.action, created.actor) == ("user.created", "shared secret")
    assert created.request_id is not None


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/api/v1/health", "/openapi.json"])
def test_health_and_the_document_ask_for_no_key(app, backends, path):
    assert app.test_client().get(path).status_code == 200
