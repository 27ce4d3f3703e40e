"""Wrong keys are slowed down, and nobody who sends a right one is.

Each test has a limit of its own, since counts of different limits are apart, and all clients have
the same address.
"""

import re
import secrets
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, func, update

from app.auth.bearer import USER_HEADER
from app.auth.key_cache import known_keys
from app.limits.windows import PREFIX, WINDOW_S
from config.redis import redis_client
from config.settings import get_settings
from models.api_keys import ApiKey
from models.session import get_engine, unit_of_work
from tests.issuer import Issuer, rsa_key, serving_issuer


@pytest.fixture
def key(client) -> str:
    return client.post("/v1/keys", json={}).json["key"]


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serving_issuer() as running:
        yield running


def wrong(web: httpx.Client, key: str = "tm_wrong") -> httpx.Response:
    return web.get("/v1/jobs", headers={"Authorization": f"Bearer {key}"})


def slowed(answers: list[httpx.Response]) -> None:
    """Check that the first were told that they are wrong, and the last to wait. At the turn of a
    minute, one more is told so."""
    statuses = [answer.status_code for answer in answers]
    assert statuses == sorted(statuses)
    assert {statuses[0], statuses[-1]} == {401, 429}
    last = answers[-1]
    assert last.json()["code"] == "too_many_wrong_keys"
    assert 1 <= int(last.headers["Retry-After"]) <= 60


def test_wrong_keys_are_slowed_down_and_right_ones_of_the_same_address_are_not(
    serve, dead_address, key
):
    web = serve(BIND=dead_address, WRONG_KEYS_PER_MINUTE="3")

    slowed([wrong(web, each) for each in ("tm_wrong", "x" * 43, *["tm_wrong"] * 4)])

    signed_in = httpx.Client(base_url=web.base_url, headers={"Connection": "close"})
    with signed_in as browser:
        assert browser.post("/v1/session", json={"key": key}).status_code == 201
        assert browser.get("/v1/jobs").status_code == 200
    assert wrong(web, key).status_code == 200
    assert web.get("/v1/jobs").status_code == 200  # by the shared secret


def test_a_browser_that_guesses_keys_or_links_is_slowed_down_too(serve, dead_address):
    web = serve(BIND=dead_address, WRONG_KEYS_PER_MINUTE="4")
    guesses = [{"key": "tm_wrong"}, {"link": "tml_wrong"}] * 3

    slowed([web.post("/v1/session", json=guess) for guess in guesses])


def test_invalid_jwts_are_slowed_down_and_valid_and_expired_ones_are_not(
    serve, dead_address, issuer, external_id
):
    web = serve(BIND=dead_address, JWT_ISSUER=issuer.url, WRONG_KEYS_PER_MINUTE="7")
    claims = issuer.claims(external_id)
    forged = issuer.signed(claims, rsa_key("thief"))
    unknown = issuer.signed(claims, key_id="made-up")
    foreign = issuer.token(external_id, iss="https://evil.example.com")
    expired = issuer.token(external_id, exp=int(time.time()) - 3600)
    early = issuer.token(external_id, nbf=int(time.time()) + 3600)

    assert {wrong(web, expired).status_code for _ in range(9)} == {401}
    slowed([wrong(web, each) for each in [forged, unknown, foreign] * 3])

    assert wrong(web, expired).status_code == 401
    assert wrong(web, early).status_code == 401
    assert wrong(web, issuer.token(external_id)).status_code == 200


def test_jwts_are_wrong_keys_where_no_issuer_is_set(serve, dead_address, issuer, external_id):
    web = serve(BIND=dead_address, WRONG_KEYS_PER_MINUTE="8")
    token = issuer.token(external_id)

    slowed([wrong(web, token) for _ in range(10)])


def test_one_that_guesses_the_shared_secret_is_slowed_down_at_the_metrics(serve, dead_address):
    web = serve(BIND=dead_address, WRONG_KEYS_PER_MINUTE="5")
    headers = {"Authorization": "Bearer wrong", USER_HEADER: ""}

    slowed([web.get("/metrics", headers=headers) for _ in range(7)])

    assert web.get("/metrics").status_code == 200


def test_processes_count_together(serve, dead_address):
    limit = {"WRONG_KEYS_PER_MINUTE": "6"}
    first, second = serve(**limit), serve(**limit, LOG_LEVEL="ERROR")

    slowed([wrong(web) for web in [first, second] * 4])


def test_a_process_counts_by_itself_without_redis(serve, dead_address):
    web = serve(REDIS_URL=f"redis://{dead_address}/0", WRONG_KEYS_PER_MINUTE="3")

    slowed([wrong(web) for _ in range(6)])
    assert web.get("/v1/jobs").status_code == 200


def test_who_sends_no_key_has_not_guessed(serve):
    web = serve(WRONG_KEYS_PER_MINUTE="1")
    del web.headers["Authorization"]

    assert {web.get("/v1/jobs").status_code for _ in range(4)} == {401}


@pytest.fixture
def guess(app, backends, monkeypatch):
    """`guess(address)`: the status of a wrong key's refusal, of which an address has 11."""
    monkeypatch.setenv("WRONG_KEYS_PER_MINUTE", "11")
    get_settings.cache_clear()

    def send(address: str) -> int:
        headers = {"Authorization": f"Bearer tm_{secrets.token_urlsafe(32)}"}
        client = app.test_client()
        return client.get(
            "/v1/jobs", headers=headers, environ_overrides={"REMOTE_ADDR": address}
        ).status_code

    yield send
    monkeypatch.undo()
    get_settings.cache_clear()


def counted() -> dict[str, int]:
    """The counts in Redis, with the seconds until each is forgotten."""
    redis: Any = redis_client()
    return {key: redis.ttl(key) for key in redis.scan_iter(f"{PREFIX}*")}


def test_all_addresses_of_one_ipv6_customer_count_together(guess):
    network = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}"

    statuses = [guess(f"{network}:{number:x}:{number:x}::1") for number in range(1, 40)]

    assert statuses == sorted(statuses)
    assert (statuses[0], statuses[-1]) == (401, 429)
    assert guess(f"{network[:-1]}{'0' if network[-1] != '0' else '1'}::1") == 401


def test_guesses_from_many_addresses_leave_little_and_nothing_for_long(guess):
    known_keys().clear()
    before = set(counted())
    addresses = [f"198.{secrets.randbelow(256)}.{secrets.randbelow(256)}.7" for _ in range(200)]

    assert {guess(address) for address in addresses} == {401}

    left = {key: ttl for key, ttl in counted().items() if key not in before}
    # One for each minute of the window, of which there may be two.
    assert 0 < len(left) <= 2 * len(set(addresses))
    assert all(0 < ttl <= 2 * WINDOW_S for ttl in left.values()), left
    assert len(known_keys()) == 0


def test_a_wrong_key_is_refused_alike_whatever_is_wrong_with_it(app, client):
    """By the same look-up too, so that the time that it takes says nothing."""
    made = [client.post("/v1/keys", json={}).json for _ in range(2)]
    with unit_of_work() as session:
        for key, ended in zip(made, ({"revoked_at": func.now()}, {}), strict=True):
            expiry = {"expires_at": func.now() - timedelta(days=1)}
            mine = update(ApiKey).where(ApiKey.id == key["id"])
            session.execute(mine.values(**(ended or expiry)))
    made_up = [f"tm_{secrets.token_urlsafe(32)}", "tm_x", f"{made[0]['key'][:-1]}!"]
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    refusals, asked = set(), set()
    event.listen(get_engine(), "before_cursor_execute", note)
    try:
        for key in [*(each["key"] for each in made), *made_up]:
            statements.clear()
            refused = app.test_client().get("/v1/jobs", headers={"Authorization": f"Bearer {key}"})
            assert refused.status_code == 401
            refusals.add(re.sub("req_[0-9A-Z]{26}", "", refused.text))
            asked.add(tuple(statements))
    finally:
        event.remove(get_engine(), "before_cursor_execute", note)

    assert len(refusals) == 1
    assert len(asked) == 1
    assert len(next(iter(asked))) == 1
