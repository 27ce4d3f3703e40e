"""/v1/keys: create, list, rotate and revoke API keys."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from app.auth.key_cache import known_keys
from app.auth.sessions import COOKIE
from config.redis import redis_client
from models.api_keys import MOST_KEYS, ApiKey, create_key
from models.audit_lists import list_entries
from models.idempotency import IdempotencyKey
from models.scopes import ADMIN, READ, WRITE
from models.session import unit_of_work
from models.users import get_or_create_user
from tasks.events.envelope import channel_of
from tasks.events.revocations import NO_JOB

ONCE = {"Idempotency-Key": "once"}


@pytest.fixture
def of_key(app):
    """`of_key(key)`: a client that sends this key."""

    def make(key: str):
        client = app.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key}"
        return client

    return make


@pytest.fixture
def make(client):
    """`make(**fields)`: the body of a new key of this test's user."""

    def create(**fields: object) -> dict:
        made = client.post("/v1/keys", json=fields)
        assert made.status_code == 201, made.json
        return made.json

    return create


@pytest.fixture
def kept_for_long(backends):
    """This process keeps keys for longer than the test waits."""
    keys = known_keys()
    before, keys.fresh_s = keys.fresh_s, 60
    yield
    keys.fresh_s = before
    keys.clear()


def code(response) -> tuple[int, str]:
    return response.status_code, response.json["code"]


def actions(user: str) -> list[str]:
    with unit_of_work() as session:
        return [each.action for each in list_entries(session, user=user, action="key")]


def has_expired(key: dict) -> bool:
    """Whether a key has expired, on the database's clock."""
    with unit_of_work() as session:
        expired = select(ApiKey.expires_at <= func.clock_timestamp()).where(ApiKey.id == key["id"])
        return bool(session.scalar(expired))


def test_a_key_is_shown_once_and_works(client, make, of_key):
    made = make(name="laptop")

    assert made["key"].startswith(made["hint"])
    assert made["scopes"] == [READ, WRITE]
    assert of_key(made["key"]).post("/v1/jobs", json={"message": "hello"}).status_code == 202
    shown = client.get(f"/v1/keys/{made['id']}")
    assert shown.json.items() >= {"id": made["id"], "name": "laptop", "revoked_at": None}.items()
    assert made["key"] not in shown.text + client.get("/v1/keys").text


def test_keys_are_listed_newest_first_in_pages(client, make):
    ids = [make(name=str(number))["id"] for number in range(3)]

    first = client.get("/v1/keys?limit=2").json
    second = client.get(f"/v1/keys?limit=2&after={first['last_id']}").json

    assert [key["id"] for key in first["data"] + second["data"]] == ids[::-1]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert code(client.get("/v1/keys?after=key_unknown")) == (422, "invalid_request")


def test_a_replay_has_the_same_id_but_not_the_key_which_is_stored_nowhere(client, external_id):
    first, again = [client.post("/v1/keys", json={}, headers=ONCE) for _ in range(2)]

    assert first.status_code == again.status_code == 201
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json == {**first.json, "key": None}
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        stored = select(IdempotencyKey.answer).where(IdempotencyKey.user_id == user_id)
        [answer] = session.scalars(stored)
    assert first.json["key"] not in repr(answer)


def test_nothing_that_happens_to_a_key_logs_it(serve, web_log):
    web = serve(LOG_LEVEL="DEBUG")
    made = web.post("/v1/keys", json={"name": "laptop"}).json()
    rotated = web.post(f"/v1/keys/{made['id']}/rotate", json={}).json()
    for key in (made["key"], rotated["key"], f"{made['key']}x"):
        web.get("/v1/jobs", headers={"Authorization": f"Bearer {key}"})
        web.post("/v1/session", json={"key": key})
    web.delete(f"/v1/keys/{made['id']}")

    logged = web_log.read_text()

    assert "/v1/keys" in logged
    assert not any(each["key"] in logged for each in (made, rotated))


def test_no_key_makes_ends_or_replaces_one_that_may_more(make, of_key):
    mine, admins = of_key(make()["key"]), make(scopes=[ADMIN])["id"]
    writer = of_key(make(scopes=[WRITE])["key"])

    for refused, scope in (
        (mine.post("/v1/keys", json={"scopes": [ADMIN]}), ADMIN),
        (mine.delete(f"/v1/keys/{admins}"), ADMIN),
        (mine.post(f"/v1/keys/{admins}/rotate", json={}), ADMIN),
        (writer.post("/v1/keys", json={"scopes": [WRITE, READ]}), READ),
    ):
        assert code(refused) == (403, "insufficient_scope")
        assert scope in refused.json["detail"]
    assert writer.post("/v1/keys", json={"scopes": [WRITE]}).status_code == 201


def test_a_revoked_key_is_refused_at_once_and_stays_listed(client, make, of_key, external_id):
    made = make()
    assert of_key(made["key"]).get("/v1/jobs").status_code == 200

    for _ in range(2):
        assert client.delete(f"/v1/keys/{made['id']}").status_code == 204

    assert code(of_key(made["key"]).get("/v1/jobs")) == (401, "unauthorized")
    assert client.get(f"/v1/keys/{made['id']}").json["revoked_at"] is not None
    assert actions(external_id) == ["key.revoked", "key.created"]


@pytest.mark.usefixtures("kept_for_long")
def test_every_process_hears_of_a_key_that_another_one_revokes(serve, make, of_key, until):
    made = make()
    assert of_key(made["key"]).get("/v1/jobs").status_code == 200
    channel = channel_of(NO_JOB)
    until(lambda: dict(redis_client().pubsub_numsub(channel))[channel] > 0)

    assert serve().delete(f"/v1/keys/{made['id']}").status_code == 204

    until(lambda: of_key(made["key"]).get("/v1/jobs").status_code == 401)


def test_a_rotated_key_is_valid_for_the_overlap(client, make, of_key, external_id):
    old = make(name="laptop", scopes=[READ, WRITE])

    new = client.post(f"/v1/keys/{old['id']}/rotate", json={"overlap_s": 60}).json

    assert (new["name"], new["scopes"], new["expires_at"]) == ("laptop", [READ, WRITE], None)
    assert of_key(old["key"]).get("/v1/jobs").status_code == 200
    assert of_key(new["key"]).get("/v1/jobs").status_code == 200
    ending = client.get(f"/v1/keys/{old['id']}").json
    assert (ending["replaced_by"], has_expired(ending)) == (new["id"], False)
    refused = client.post(f"/v1/keys/{old['id']}/rotate", json={})
    assert code(refused) == (409, "key_inactive")
    assert actions(external_id) == ["key.rotated", "key.created"]


def test_without_an_overlap_the_old_key_ends_at_once(client, make, of_key):
    old = make()
    assert of_key(old["key"]).get("/v1/jobs").status_code == 200

    new = client.post(f"/v1/keys/{old['id']}/rotate", json={"overlap_s": 0}, headers=ONCE).json

    assert code(of_key(old["key"]).get("/v1/jobs")) == (401, "unauthorized")
    assert of_key(new["key"]).get("/v1/jobs").status_code == 200
    again = client.post(f"/v1/keys/{old['id']}/rotate", json={"overlap_s": 0}, headers=ONCE)
    assert again.json == {**new, "key": None}


def test_a_key_that_replaces_one_lasts_as_long(client, make):
    old = make(expires_in_s=3600)

    new = client.post(f"/v1/keys/{old['id']}/rotate", json={}).json

    assert old["expires_at"] < new["expires_at"]
    set_anew = client.post(f"/v1/keys/{new['id']}/rotate", json={"expires_in_s": 7200}).json
    assert new["expires_at"] < set_anew["expires_at"]


@pytest.mark.usefixtures("kept_for_long")
def test_an_expired_key_is_refused_on_the_databases_clock(make, of_key, until):
    made = make(expires_in_s=1)
    mine, seen = of_key(made["key"]), []

    def refused() -> bool:
        over = has_expired(made)
        seen.append((over, mine.get("/v1/jobs").status_code))
        return seen[-1][1] == 401

    until(refused)

    assert seen[0] == (False, 200)
    assert (True, 200) not in seen
    assert has_expired(made)


def test_a_browser_is_signed_out_when_its_key_expires(app, make, until):
    made = make(expires_in_s=1)
    browser = app.test_client()
    signed_in = browser.post("/v1/session", json={"key": made["key"]}).json
    assert signed_in["expires_at"] == made["expires_at"]

    until(lambda: browser.get("/v1/jobs").status_code == 401)

    assert has_expired(made)


def test_a_browser_may_do_what_its_key_may(app, make):
    browser = app.test_client()
    made = browser.post("/v1/session", json={"key": make(scopes=[READ])["key"]}).json
    assert browser.get_cookie(COOKIE)

    headers = {"X-CSRF-Token": made["csrf_token"]}
    refused = browser.post("/v1/jobs", json={"message": "hello"}, headers=headers)

    assert code(refused) == (403, "insufficient_scope")
    assert browser.get("/v1/jobs").status_code == 200


def test_the_last_use_is_noted_once_a_minute(client, make, of_key):
    made = make()
    assert made["last_used_at"] is None

    def last_use() -> str:
        known_keys().clear()
        assert of_key(made["key"]).get("/v1/jobs").status_code == 200
        return client.get(f"/v1/keys/{made['id']}").json["last_used_at"]

    first = last_use()

    assert first >= made["created_at"]
    assert last_use() == first
    with unit_of_work() as session:
        earlier = update(ApiKey).where(ApiKey.id == made["id"])
        session.execute(earlier.values(last_used_at=func.now() - timedelta(seconds=61)))
    assert last_use() >= first


def test_a_server_notes_it_after_the_response(serve, make, until):
    made, web = make(), serve()
    assert web.get("/v1/jobs", headers={"Authorization": f"Bearer {made['key']}"}).is_success

    until(lambda: web.get(f"/v1/keys/{made['id']}").json()["last_used_at"] is not None)


def test_a_user_has_at_most_so_many_keys_however_many_ask(client_of, external_id, together):
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        for _ in range(MOST_KEYS - 1):
            create_key(session, user_id, "", b"pepper")

    def create():
        return client_of(external_id).post("/v1/keys", json={})

    answers = together(4, create)

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {answer.json.get("code") for answer in answers} == {None, "too_many_keys"}


def test_a_rotation_with_an_overlap_is_one_key_more(client_of, external_id):
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        for _ in range(MOST_KEYS - 1):
            create_key(session, user_id, "", b"pepper")
    client = client_of(external_id)
    key = client.post("/v1/keys", json={}).json

    refused = client.post(f"/v1/keys/{key['id']}/rotate", json={"overlap_s": 60})
    rotated = client.post(f"/v1/keys/{key['id']}/rotate", json={"overlap_s": 0})

    assert code(refused) == (409, "too_many_keys")
    assert rotated.status_code == 201


@pytest.mark.parametrize(
    ("body", "field", "error"),
    [
        ({"name": "x" * 101}, "name", "too_long"),
        ({"name": "\x00"}, "name", "null_character"),
        ({"scopes": []}, "scopes", "too_few"),
        ({"scopes": ["root"]}, "scopes.0", "not_allowed"),
        ({"scopes": "admin"}, "scopes", "not_a_list"),
        ({"expires_in_s": 0}, "expires_in_s", "too_small"),
        ({"expires_in_s": 10**12}, "expires_in_s", "too_large"),
        ({"key": "tm_mine"}, "key", "unknown_field"),
    ],
)
def test_a_bad_field_is_named(client, body, field, error):
    refused = client.post("/v1/keys", json=body)

    assert code(refused) == (422, "invalid_request")
    assert [(each["field"], each["code"]) for each in refused.json["errors"]] == [(field, error)]


def test_scopes_that_are_repeated_count_once(make):
    assert make(scopes=[WRITE, READ, WRITE])["scopes"] == [READ, WRITE]
