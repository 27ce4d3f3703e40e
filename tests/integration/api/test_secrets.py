"""The shared secret and the pepper are replaced while both the old and the new one are valid."""

import secrets

import pytest
from sqlalchemy import select

from app.auth.bearer import USER_HEADER
from models.api_keys import ApiKey, create_key, digest_of
from models.session import unit_of_work
from models.users import get_or_create_user

NEW = secrets.token_hex(32)
PEPPER = secrets.token_hex(32)


@pytest.fixture
def key(backends, external_id) -> str:
    """A key that is stored under the old shared secret."""
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        return create_key(session, user_id, "", backends["SHARED_SECRET"].encode())


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def status(web, token: str) -> int:
    return web.get("/v1/jobs", headers=bearer(token)).status_code


def is_stored_under(key: str, pepper: str) -> bool:
    digest = digest_of(key, pepper.encode())
    with unit_of_work() as session:
        return session.scalar(select(ApiKey.id).where(ApiKey.digest == digest)) is not None


def test_both_shared_secrets_act_for_a_user_during_the_overlap_then_one(serve, backends):
    old = backends["SHARED_SECRET"]
    during, after = serve(SHARED_SECRET=NEW, SHARED_SECRET_PREVIOUS=old), serve(SHARED_SECRET=NEW)

    assert [status(during, each) for each in (old, NEW)] == [200, 200]
    assert [status(after, each) for each in (old, NEW)] == [401, 200]
    assert status(during, secrets.token_hex(32)) == 401


@pytest.mark.parametrize(
    ("during", "after"),
    [
        ({"API_KEY_PEPPER": PEPPER, "API_KEY_PEPPER_PREVIOUS": "{old}"}, PEPPER),
        ({"SHARED_SECRET": NEW, "SHARED_SECRET_PREVIOUS": "{old}"}, NEW),
    ],
    ids=["pepper", "shared secret"],
)
def test_a_key_that_is_used_during_the_overlap_works_under_the_new_pepper(
    serve, backends, key, external_id, during, after
):
    old = backends["SHARED_SECRET"]
    web = serve(**{name: value.format(old=old) for name, value in during.items()})
    assert status(web, key) == 200

    assert is_stored_under(key, after)
    assert not is_stored_under(key, old)
    assert status(web, key) == 200
    made = web.post("/v1/keys", json={}, headers=bearer(key)).json()
    assert is_stored_under(made["key"], after)


@pytest.mark.usefixtures("servers")  # each starts without a key in its cache
@pytest.mark.parametrize("variable", ["API_KEY_PEPPER", "SHARED_SECRET"])
def test_processes_that_restart_one_after_another_refuse_nobody(serve, backends, key, variable):
    """First all accept the new secret, then all use it, as docs/deploying.md says."""
    old = backends["SHARED_SECRET"]
    prepared = {variable: old, f"{variable}_PREVIOUS": NEW}
    replaced = {variable: NEW, f"{variable}_PREVIOUS": old}
    for settings in (replaced, prepared, replaced):
        web = serve(**settings)
        assert [status(web, each) for each in (key, old)] == [200, 200]
        assert status(web, NEW) == (200 if variable == "SHARED_SECRET" else 401)

    assert is_stored_under(key, NEW)
    assert status(serve(), key) == 401  # why all have to accept it first


def test_a_browser_stays_signed_in_while_the_pepper_is_replaced(serve, backends, key, external_id):
    old = serve()
    signed_in = old.post("/v1/session", json={"key": key})
    headers = {
        "Cookie": signed_in.headers["Set-Cookie"].split(";")[0],
        "X-CSRF-Token": signed_in.json()["csrf_token"],
    }
    new = serve(API_KEY_PEPPER=PEPPER, API_KEY_PEPPER_PREVIOUS=backends["SHARED_SECRET"])
    for name in ("Authorization", USER_HEADER):
        del new.headers[name]

    for _ in range(2):
        assert new.post("/v1/jobs", json={"message": "hello"}, headers=headers).is_success
    assert new.get("/v1/session", headers=headers).json()["user"] == external_id
