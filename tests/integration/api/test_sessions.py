"""/v1/session: browsers that are signed in."""

from datetime import timedelta

import pytest
from sqlalchemy import func, update

from app.auth.sessions import COOKIE, CSRF_HEADER
from config.settings import get_settings
from models.api_keys import ApiKey, create_key, digest_of, revoke_key
from models.browser_sessions import BrowserSession, SignInLink, create_link
from models.scopes import ADMIN
from models.session import unit_of_work
from models.users import get_or_create_user
from tasks.events.revocations import announce_revocation

HELLO = {"message": "hello"}


@pytest.fixture
def key(backends, external_id) -> str:
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        return create_key(session, user_id, "test", get_settings().pepper)


@pytest.fixture
def link(backends, external_id) -> str:
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        return create_link(session, user_id, [ADMIN], get_settings().pepper)


@pytest.fixture
def browser(app):
    """A client that keeps cookies, and sends no key."""
    return app.test_client()


@pytest.fixture
def signed_in(browser, key):
    """A browser that is signed in, and the CSRF token of its session."""
    return browser, browser.post("/v1/session", json={"key": key}).json["csrf_token"]


def code(response) -> tuple[int, str]:
    return response.status_code, response.json["code"]


def test_a_key_signs_a_browser_in(browser, key, external_id):
    made = browser.post("/v1/session", json={"key": key})

    assert made.status_code == 201
    assert made.json["user"] == external_id
    assert made.json["admin"] is False
    assert browser.get("/v1/session").json == made.json
    assert browser.get("/v1/jobs").status_code == 200


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(browser, key):
    made = browser.post("/v1/session", json={"key": key})

    cookie = made.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=tms_")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Secure" not in cookie
    assert made.headers["Cache-Control"] == "no-store"


def test_behind_https_the_cookie_is_sent_over_https_only(browser, key):
    headers = {"X-Forwarded-Proto": "https"}
    made = browser.post("/v1/session", json={"key": key}, headers=headers)

    assert "Secure" in made.headers["Set-Cookie"]


def test_the_token_is_stored_as_a_digest(browser, key):
    made = browser.post("/v1/session", json={"key": key})
    token = made.headers["Set-Cookie"].split("=", 1)[1].split(";")[0]

    with unit_of_work() as session:
        stored = session.query(BrowserSession.digest).all()
    assert (digest_of(token, get_settings().pepper),) in [tuple(row) for row in stored]


def test_what_changes_something_needs_the_csrf_token(signed_in):
    browser, token = signed_in

    for sent in ({}, {CSRF_HEADER: ""}, {CSRF_HEADER: "0" * 64}):
        assert code(browser.post("/v1/jobs", json=HELLO, headers=sent)) == (403, "csrf_failed")
    accepted = browser.post("/v1/jobs", json=HELLO, headers={CSRF_HEADER: token})
    assert accepted.status_code == 202


def test_a_request_for_another_sites_page_is_refused(signed_in):
    browser, token = signed_in

    for site in ("cross-site", "same-site"):
        headers = {CSRF_HEADER: token, "Sec-Fetch-Site": site}
        assert code(browser.post("/v1/jobs", json=HELLO, headers=headers)) == (403, "csrf_failed")
    headers = {"Sec-Fetch-Site": "cross-site"}
    refused = browser.post("/v1/session", json={"key": "tm_x"}, headers=headers)
    assert code(refused) == (403, "csrf_failed")


def test_a_bearer_token_takes_precedence_and_needs_no_csrf_token(signed_in, key):
    browser, _ = signed_in
    headers = {"Authorization": f"Bearer {key}"}

    assert browser.post("/v1/jobs", json=HELLO, headers=headers).status_code == 202
    wrong = {"Authorization": "Bearer tm_wrong"}
    assert code(browser.get("/v1/jobs", headers=wrong)) == (401, "unauthorized")


def test_signing_out_ends_the_session_for_whoever_has_its_cookie(app, signed_in):
    browser, token = signed_in
    copied = browser.get_cookie(COOKIE).value

    assert code(browser.delete("/v1/session")) == (403, "csrf_failed")
    assert browser.delete("/v1/session", headers={CSRF_HEADER: token}).status_code == 204
    assert browser.get_cookie(COOKIE) is None
    thief = app.test_client()
    thief.set_cookie(COOKIE, copied)
    assert code(thief.get("/v1/session")) == (401, "unauthorized")


def test_a_session_ends_with_its_key(signed_in, key):
    browser, _ = signed_in
    with unit_of_work() as session:
        of_key = ApiKey.digest == digest_of(key, get_settings().pepper)
        user_id = revoke_key(session, session.query(ApiKey.id).filter(of_key).scalar())
    assert user_id is not None
    announce_revocation(user_id)

    assert code(browser.get("/v1/session")) == (401, "unauthorized")


def test_a_session_ends_after_its_time(signed_in, external_id):
    browser, _ = signed_in
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        past = func.now() - timedelta(seconds=1)
        mine = BrowserSession.user_id == user_id
        session.execute(update(BrowserSession).where(mine).values(expires_at=past))

    assert code(browser.get("/v1/session")) == (401, "unauthorized")


def test_a_link_signs_in_once(app, link, external_id):
    first, second = app.test_client(), app.test_client()

    made = first.post("/v1/session", json={"link": link})
    assert made.status_code == 201
    assert made.json["user"] == external_id
    assert made.json["admin"] is True
    assert code(second.post("/v1/session", json={"link": link})) == (401, "unauthorized")


def test_a_link_used_by_many_at_once_signs_in_one(app, link, together):
    def use() -> int:
        return app.test_client().post("/v1/session", json={"link": link}).status_code

    assert sorted(together(4, use)) == [201, 401, 401, 401]


def test_a_link_expires(browser, link):
    with unit_of_work() as session:
        mine = SignInLink.digest == digest_of(link, get_settings().pepper)
        past = func.now() - timedelta(seconds=1)
        session.execute(update(SignInLink).where(mine).values(expires_at=past))

    assert code(browser.post("/v1/session", json={"link": link})) == (401, "unauthorized")


@pytest.mark.parametrize("body", [{}, {"key": "tm_x", "link": "tml_x"}, {"key": ""}])
def test_a_body_that_does_not_say_who_signs_in_is_refused(browser, body):
    assert code(browser.post("/v1/session", json=body)) == (422, "invalid_request")


def test_an_unknown_key_or_cookie_signs_nobody_in(browser):
    assert code(browser.post("/v1/session", json={"key": "tm_x"})) == (401, "unauthorized")
    assert code(browser.get("/v1/session")) == (401, "unauthorized")
    browser.set_cookie(COOKIE, "tms_unknown")
    assert code(browser.get("/v1/jobs")) == (401, "unauthorized")
