"""Clerk's events of users, signed as Svix does: by the package of Standard Webhooks."""

import base64
import json
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update
from standardwebhooks import Webhook

from config.settings import get_settings
from models.api_keys import create_key
from models.audit import AuditEntry
from models.browser_sessions import sign_in_by_jwt
from models.deleted_users import DeletedUser
from models.errors import Unauthorized
from models.grants import Grant
from models.lifecycle.user_deletion import CONVERSATIONS
from models.scopes import USUAL
from models.session import unit_of_work
from models.users import User, get_or_create_user
from tasks.worker.sweeper import finish_deletions
from tests.issuer import Issuer, serving_issuer

PATH = "/v1/incoming/clerk"
SECRET = "whsec_" + base64.b64encode(b"a secret of Clerk's, thirty bytes").decode()
NEXT_SECRET = "whsec_" + base64.b64encode(b"the one that comes after it, longer").decode()


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serving_issuer() as running:
        yield running


@pytest.fixture
def client(serve: Callable[..., httpx.Client], issuer: Issuer) -> httpx.Client:
    return serve(JWT_ISSUER=issuer.url, CLERK_WEBHOOK_SECRET=f"{SECRET}, {NEXT_SECRET}")


def event(kind: str, user: str, **data: object) -> str:
    return json.dumps({"type": kind, "object": "event", "data": {"id": user, **data}})


def signed(
    body: str, *, secret: str = SECRET, at: datetime | None = None, event_id: str = ""
) -> dict[str, str]:
    event_id, at = event_id or f"msg_{secrets.token_hex(12)}", at or datetime.now(UTC)
    return {
        "svix-id": event_id,
        "svix-timestamp": str(int(at.timestamp())),
        "svix-signature": Webhook(secret).sign(event_id, at, body),
        "Content-Type": "application/json",
    }


def send(client: httpx.Client, body: str, headers: dict[str, str] | None = None) -> int:
    headers = signed(body) if headers is None else headers
    # Without the headers of a user: a signature is all that is asked for.
    return httpx.Client.post(client, PATH, content=body, headers=headers).status_code


def status(client: httpx.Client, token: str) -> int:
    return client.get("/v1/jobs", headers={"Authorization": f"Bearer {token}"}).status_code


def user_id(issuer: Issuer, user: str) -> str | None:
    with unit_of_work() as session:
        named = User.external_id == f"{issuer.url}|{user}"
        return session.scalar(select(User.id).where(named))


def test_a_user_is_created_once_and_a_change_keeps_him(client, issuer, external_id):
    assert send(client, event("user.created", external_id)) == 204
    created = user_id(issuer, external_id)
    assert created is not None

    assert send(client, event("user.updated", external_id, first_name="Ada")) == 204

    assert user_id(issuer, external_id) == created
    assert status(client, issuer.token(external_id)) == 200


def test_a_deleted_user_loses_everything_and_no_token_of_before_creates_him_again(
    client, issuer, external_id
):
    token, headers = issuer.token(external_id), {}
    headers["Authorization"] = f"Bearer {token}"
    for _ in range(CONVERSATIONS + 2):
        job = client.post("/v1/jobs", json={"message": "hello"}, headers=headers)
        assert job.status_code == 202
    old = user_id(issuer, external_id)
    assert old is not None
    with unit_of_work() as session:
        key = create_key(session, old, "", get_settings().pepper)
    assert status(client, key) == 200

    assert send(client, event("user.deleted", external_id, deleted=True)) == 204

    other = issuer.token(external_id, jti="issued before, used after")
    assert [status(client, each) for each in (token, key, other)] == [401, 401, 401]
    finish_deletions()
    with unit_of_work() as session:
        assert session.get(User, old) is None
        said = session.scalars(select(AuditEntry).where(AuditEntry.user_id == old)).all()
    assert {(each.action, each.actor) for each in said} >= {("user.deleted", "clerk")}
    assert [status(client, each) for each in (token, key, other)] == [401, 401, 401]
    assert send(client, event("user.created", external_id)) == 204  # it was late
    assert user_id(issuer, external_id) is None


def test_a_token_without_a_time_counts_as_issued_before(client, issuer, external_id):
    assert send(client, event("user.deleted", external_id)) == 204

    assert status(client, issuer.token(external_id, iat=None)) == 401


def test_a_user_whom_the_issuer_lets_return_is_a_new_one(client, issuer, external_id):
    assert status(client, issuer.token(external_id)) == 200
    old = user_id(issuer, external_id)
    assert send(client, event("user.deleted", external_id)) == 204
    assert status(client, issuer.token(external_id, jti="at once")) == 401
    change_deletion(datetime.now(UTC) - timedelta(minutes=2))

    assert status(client, issuer.token(external_id, jti="two minutes later")) == 200
    assert user_id(issuer, external_id) not in (None, old)


def change_deletion(to: datetime) -> None:
    """Let the last deletion have been at another time."""
    with unit_of_work() as session:
        last = select(func.max(DeletedUser.deleted_at)).scalar_subquery()
        session.execute(
            update(DeletedUser).where(DeletedUser.deleted_at == last).values(deleted_at=to)
        )


def test_a_banned_user_loses_his_keys(client, issuer, external_id):
    assert send(client, event("user.created", external_id)) == 204
    with unit_of_work() as session:
        named = get_or_create_user(session, f"{issuer.url}|{external_id}")
        key = create_key(session, named, "", get_settings().pepper)
    assert status(client, key) == 200

    assert send(client, event("user.updated", external_id, banned=True)) == 204

    assert status(client, key) == 401


def test_a_banned_users_token_opens_nothing_and_creates_no_key(client, issuer, external_id):
    token, other = issuer.token(external_id), issuer.token(external_id, jti="not used before")
    assert status(client, token) == 200

    assert send(client, event("user.updated", external_id, banned=True)) == 204

    headers = {"Authorization": f"Bearer {other}"}
    assert client.post("/v1/keys", json={}, headers=headers).status_code == 401
    assert [status(client, each) for each in (token, other)] == [401, 401]


def test_a_call_that_began_before_a_ban_creates_neither_key_nor_session(
    client, issuer, external_id
):
    assert status(client, issuer.token(external_id)) == 200
    banned = user_id(issuer, external_id)
    assert banned is not None
    assert send(client, event("user.updated", external_id, banned=True)) == 204

    with unit_of_work() as session, pytest.raises(Unauthorized):
        create_key(session, banned, "", get_settings().pepper)
    grant = Grant(banned, banned, frozenset(USUAL), 60.0)
    with unit_of_work() as session, pytest.raises(Unauthorized):
        sign_in_by_jwt(session, grant, (get_settings().pepper,))


def test_a_user_who_is_no_longer_banned_comes_back_with_all_that_is_his(
    client, issuer, external_id
):
    assert status(client, issuer.token(external_id)) == 200
    before = user_id(issuer, external_id)
    assert send(client, event("user.updated", external_id, banned=True)) == 204
    change_deletion(datetime.now(UTC) - timedelta(minutes=2))

    assert send(client, event("user.updated", external_id, banned=False)) == 204

    assert status(client, issuer.token(external_id, jti="two minutes later")) == 200
    assert user_id(issuer, external_id) == before


def test_a_user_who_has_returned_can_be_banned(client, issuer, external_id):
    assert send(client, event("user.deleted", external_id)) == 204
    change_deletion(datetime.now(UTC) - timedelta(minutes=2))
    token = issuer.token(external_id)
    headers = {"Authorization": f"Bearer {token}"}
    key = client.post("/v1/keys", json={}, headers=headers).json()["key"]

    assert send(client, event("user.updated", external_id, banned=True)) == 204

    assert [status(client, each) for each in (token, key)] == [401, 401]


def test_an_event_is_processed_once(client, issuer, external_id):
    body = event("user.created", external_id)
    headers = signed(body)
    assert send(client, body, headers) == 204
    with unit_of_work() as session:
        session.delete(session.get(User, user_id(issuer, external_id)))

    assert send(client, body, headers) == 204  # a retry, or a replay

    assert user_id(issuer, external_id) is None


def test_the_next_secret_is_accepted_while_it_replaces_the_other(client, external_id):
    body = event("user.created", external_id)
    headers = signed(body, secret=NEXT_SECRET)
    assert send(client, body, headers) == 204

    headers = signed(body, secret=NEXT_SECRET)
    headers["svix-signature"] = f"v1a,x v1,!! v1,{'A' * 43}= {headers['svix-signature']}"
    assert send(client, body, headers) == 204


def forged(body: str) -> dict[str, dict[str, str]]:
    now, good = datetime.now(UTC), signed(body)
    stranger = "whsec_" + base64.b64encode(b"a secret that nobody else knows").decode()
    return {
        "unsigned": {"Content-Type": "application/json"},
        "another secret": signed(body, secret=stranger),
        "another body": signed(body + " "),
        "another id": good | {"svix-id": "msg_other"},
        "another time": good | {"svix-timestamp": str(int(now.timestamp()) - 1)},
        "old": signed(body, at=now - timedelta(minutes=6)),
        "early": signed(body, at=now + timedelta(minutes=6)),
        "no time": good | {"svix-timestamp": "soon"},
        "a long time": good | {"svix-timestamp": "9" * 5000},
        "no version": good | {"svix-signature": good["svix-signature"].removeprefix("v1,")},
        "another version": good | {"svix-signature": good["svix-signature"].replace("v1", "v2")},
        "empty": good | {"svix-signature": "v1,"},
        "many": good | {"svix-signature": " ".join(["v1,AAAA"] * 900)},
        "no base64": good | {"svix-signature": "v1,\xff"},
    }


@pytest.mark.parametrize("how", forged(""))
def test_an_event_that_is_not_clerks_or_not_recent_is_refused(client, issuer, external_id, how):
    body = event("user.created", external_id)
    headers = httpx.Headers(forged(body)[how], encoding="latin-1")

    refused = client.post(PATH, content=body, headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_signature")
    assert user_id(issuer, external_id) is None


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        '{"type": "user.created"}',
        '{"type": "user.created", "data": {"id": 7}}',
        '{"type": "user.deleted", "data": {"id": "a b"}}',
        json.dumps({"type": "user.deleted", "data": {"id": "x" * 300}}),
    ],
)
def test_a_signed_event_that_says_nothing_is_refused(client, body):
    assert send(client, body) in (400, 422)


def test_other_events_are_ignored_and_huge_ones_refused(client):
    assert send(client, event("session.created", "user_1")) == 204
    assert send(client, "") in (400, 422)
    huge: Any = event("user.created", "x" * 300_000)
    assert send(client, huge) == 413


def test_without_a_secret_there_is_no_such_endpoint(serve, issuer, external_id):
    for variables in ({}, {"JWT_ISSUER": issuer.url}, {"CLERK_WEBHOOK_SECRET": SECRET}):
        assert send(serve(**variables), event("user.deleted", external_id)) == 404
