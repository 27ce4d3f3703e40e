"""Sign-in by the JWTs of an issuer that serves its keys."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import jwt
import pytest
from sqlalchemy import func, select, update

from app.auth.jwks import PAUSE_S
from app.auth.jwt import LEEWAY_S
from models.audit_lists import list_entries
from models.issuer_keys import IssuerKeySet
from models.session import unit_of_work
from models.users import User
from tests.issuer import PATH, Issuer, ec_key, pem_of, published, rsa_key, serving, serving_issuer

PARTY = "https://app.example.com"
HOUR = 3600


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serving_issuer() as running:
        yield running


@pytest.fixture
def serve(serve: Callable[..., httpx.Client]) -> Callable[..., httpx.Client]:
    """A server that accepts any number of wrong tokens from one address."""
    return partial(serve, WRONG_KEYS_PER_MINUTE="1000000")


@pytest.fixture
def client(serve: Callable[..., httpx.Client], issuer: Issuer) -> httpx.Client:
    return serve(JWT_ISSUER=issuer.url)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def answer(client: httpx.Client, token: str) -> tuple[int, str]:
    response = client.get("/v1/jobs", headers=bearer(token))
    body = response.json()
    return response.status_code, body.get("code", "ok")


OK = (200, "ok")
REFUSED = (401, "unauthorized")


def test_a_token_acts_for_its_user_who_is_created_on_first_sight(client, issuer, external_id):
    headers = bearer(issuer.token(external_id))

    job = client.post("/v1/jobs", json={"message": "hello"}, headers=headers).json()

    assert client.get(f"/v1/jobs/{job['id']}", headers=headers).json() == job
    with unit_of_work() as session:
        named = f"{issuer.url}|{external_id}"
        user_id = session.scalar(select(User.id).where(User.external_id == named))
        [created] = list_entries(session, user=named)
    assert (created.action, created.actor, created.subject) == ("user.created", "issuer", user_id)


def test_es256_is_accepted_too(client, issuer, external_id):
    token = issuer.signed(issuer.claims(external_id), ec_key("two"), "ES256", "two")

    assert answer(client, token) == OK


def test_a_token_opens_nothing_of_a_user_of_that_name_from_elsewhere(client, issuer, external_id):
    """`client` acts for the user by the shared secret; the issuer has a user of the same name."""
    job = client.post("/v1/jobs", json={"message": "hello"}).json()
    headers = bearer(issuer.token(external_id))

    assert client.get(f"/v1/jobs/{job['id']}", headers=headers).status_code == 404
    assert client.get("/v1/jobs", headers=headers).json()["data"] == []


def test_a_token_is_no_operators(client, issuer, external_id):
    refused = client.get("/v1/board", headers=bearer(issuer.token(external_id)))

    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def resigned(token: str, **claims: object) -> str:
    """A token with other claims and the signature of the old ones."""
    header, payload, signature = token.split(".")
    old = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return f"{header}.{part(old | claims)}.{signature}"


FORGED: Mapping[str, Callable[[Issuer, str], str]] = {
    "another key": lambda issuer, user: issuer.signed(issuer.claims(user), rsa_key("thief")),
    "other claims": lambda issuer, user: resigned(issuer.token(user), sub="admin"),
    "no signature": lambda issuer, user: issuer.token(user).rpartition(".")[0] + ".",
    "cut": lambda issuer, user: issuer.token(user)[:-8],
    "alg none": lambda issuer, user: (
        part({"alg": "none", "typ": "JWT", "kid": "one"}) + "." + part(issuer.claims(user)) + "."
    ),
    "alg NONE": lambda issuer, user: (
        part({"alg": "NoNe", "kid": "one"}) + "." + part(issuer.claims(user)) + "."
    ),
    "HS256 with the public key": lambda issuer, user: confused(
        issuer, user, pem_of(rsa_key("one"))
    ),
    "HS256 with the JWK": lambda issuer, user: confused(
        issuer, user, json.dumps(published("one", rsa_key("one"))).encode()
    ),
    "HS256 with nothing": lambda issuer, user: confused(issuer, user, b""),
    "RS256 by the name of an EC key": lambda issuer, user: issuer.signed(
        issuer.claims(user), key_id="two"
    ),
    "ES256 by the name of an RSA key": lambda issuer, user: issuer.signed(
        issuer.claims(user), ec_key("two"), "ES256", "one"
    ),
    "RS512": lambda issuer, user: issuer.signed(issuer.claims(user), algorithm="RS512"),
    "PS256": lambda issuer, user: issuer.signed(issuer.claims(user), algorithm="PS256"),
    "a certificate's address in the header": lambda issuer, user: jwt.encode(
        issuer.claims(user), rsa_key("thief"), "RS256", {"x5u": "http://127.0.0.1:9", "kid": "one"}
    ),
    "a certificate in the header": lambda issuer, user: jwt.encode(
        issuer.claims(user), rsa_key("thief"), "RS256", {"x5c": ["MIIB"], "kid": "one"}
    ),
    "a kid that is a list": lambda issuer, user: (
        part({"alg": "RS256", "kid": ["one"]}) + "." + part(issuer.claims(user)) + ".AAAA"
    ),
    "a detached payload": lambda issuer, user: jwt.encode(
        issuer.claims(user), rsa_key("one"), "RS256", {"kid": "one", "b64": False, "crit": ["b64"]}
    ),
    "a key in the header": lambda issuer, user: jwt.encode(
        issuer.claims(user),
        rsa_key("thief"),
        "RS256",
        {"jwk": published("thief", rsa_key("thief")), "kid": "thief"},
    ),
    "an address of keys in the header": lambda issuer, user: jwt.encode(
        issuer.claims(user), rsa_key("thief"), "RS256", {"jku": "http://127.0.0.1:9", "kid": "x"}
    ),
    "an unknown critical header": lambda issuer, user: jwt.encode(
        issuer.claims(user), rsa_key("one"), "RS256", {"crit": ["exp"], "exp": 1, "kid": "one"}
    ),
    "an unknown kid": lambda issuer, user: issuer.signed(issuer.claims(user), key_id="made-up"),
    "no kid": lambda issuer, user: issuer.signed(issuer.claims(user), key_id=None),
    "a kid that is a path": lambda issuer, user: issuer.signed(
        issuer.claims(user), key_id="../../one"
    ),
    "another issuer": lambda issuer, user: issuer.token(user, iss="https://evil.example.com"),
    "almost the issuer": lambda issuer, user: issuer.token(user, iss=issuer.url + "/"),
    "a list of issuers": lambda issuer, user: signed(issuer, user, iss=[issuer.url]),
    "no issuer": lambda issuer, user: issuer.token(user, iss=None),
    "no expiry": lambda issuer, user: issuer.token(user, exp=None),
    "no subject": lambda issuer, user: issuer.token(user, sub=None),
    "an empty subject": lambda issuer, user: issuer.token(user, sub=""),
    "a subject with a space": lambda issuer, user: issuer.token(user, sub=f"{user} x"),
    "a long subject": lambda issuer, user: issuer.token(user, sub="x" * 256),
    "expired": lambda issuer, user: issuer.token(user, exp=int(time.time()) - LEEWAY_S - 1),
    "expired an hour ago": lambda issuer, user: issuer.token(user, exp=int(time.time()) - HOUR),
    "not yet valid": lambda issuer, user: issuer.token(user, nbf=int(time.time()) + HOUR),
    "issued in an hour": lambda issuer, user: issuer.token(user, iat=int(time.time()) + HOUR),
    "an expiry that is no number": lambda issuer, user: issuer.token(user, exp="soon"),
    "an endless expiry": lambda issuer, user: issuer.token(user, exp=float("inf")),
    "an expiry that is true": lambda issuer, user: signed(issuer, user, exp=True),
    "an expiry that is text": lambda issuer, user: signed(issuer, user, exp="2000000000"),
    "an expiry that is a list": lambda issuer, user: signed(issuer, user, exp=[2000000000]),
    "an expiry that is nothing": lambda issuer, user: signed(issuer, user, exp=None),
    "an expiry that is no date": lambda issuer, user: signed(issuer, user, exp=10**50),
    "an expiry beyond numbers": lambda issuer, user: signed(issuer, user, exp=10**4000),
    "an endless iat": lambda issuer, user: signed(issuer, user, iat=float("-inf")),
    "an iat that is not a number": lambda issuer, user: signed(issuer, user, iat=float("nan")),
    "an iat long before the first": lambda issuer, user: signed(issuer, user, iat=-(10**50)),
    "an iat that is false": lambda issuer, user: signed(issuer, user, iat=False),
    "an endless nbf": lambda issuer, user: signed(issuer, user, nbf=float("inf")),
    "an iat that is no number": lambda issuer, user: signed(issuer, user, iat="yesterday"),
    "a subject that is no text": lambda issuer, user: signed(issuer, user, sub=[user]),
    "claims that are a list": lambda issuer, _user: issuer.signed_text("[]"),
    "claims that are no JSON": lambda issuer, _user: issuer.signed_text("x"),
    "claims that are deep": lambda issuer, _user: issuer.signed_text('{"a":' * 900),
    "a number of many digits": lambda issuer, _user: issuer.signed_text(
        '{"exp":' + "9" * 5000 + "}"
    ),
    "nothing signed": lambda _issuer, _user: f"{part({'alg': 'RS256', 'kid': 'one'})}..",
    "no header": lambda _issuer, _user: "eyJ..",
    "deep": lambda _issuer, _user: (
        base64.urlsafe_b64encode(b'{"a":' * 900).decode().rstrip("=") + ".e30.x"
    ),
}


def signed(issuer: Issuer, user: str, **claims: object) -> str:
    """A token that the issuer has signed, with claims that PyJWT would not."""
    return issuer.signed_text(json.dumps(issuer.claims(user) | claims))


def confused(issuer: Issuer, user: str, secret: bytes) -> str:
    """A token that is signed with what is public, as if that were a secret."""
    signed = part({"alg": "HS256", "kid": "one"}) + "." + part(issuer.claims(user))
    mac = hmac.digest(secret, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_token_that_is_not_the_issuers_or_not_valid_now_is_refused(
    client, issuer, external_id, forge
):
    assert answer(client, issuer.token(external_id)) == OK

    token = forge(issuer, external_id)

    assert token.startswith("eyJ")
    response = client.get("/v1/jobs", headers=bearer(token))
    assert (response.status_code, response.json()["code"]) == REFUSED
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert token not in response.text


def test_clocks_may_differ_by_less_than_a_minute(client, issuer, external_id):
    now = int(time.time())

    assert answer(client, issuer.token(external_id, exp=now - LEEWAY_S + 30)) == OK
    assert answer(client, issuer.token(external_id, nbf=now + LEEWAY_S - 30)) == OK
    assert answer(client, issuer.token(external_id, iat=now + LEEWAY_S - 30)) == OK


def test_a_token_is_refused_once_it_has_expired(client, issuer, external_id, until):
    token = issuer.token(external_id, exp=int(time.time()) - LEEWAY_S + 3)
    assert answer(client, token) == OK

    until(lambda: answer(client, token) == REFUSED)


def test_only_the_parties_that_are_allowed_are_served(serve, issuer, external_id):
    client = serve(JWT_ISSUER=issuer.url, JWT_AUTHORIZED_PARTIES=f"https://x.example, {PARTY}")

    assert answer(client, issuer.token(external_id, azp=PARTY)) == OK
    others: list[object] = [None, "", "https://evil.example.com", PARTY + "/", [PARTY], {}]
    for other in others:
        assert answer(client, issuer.token(external_id, azp=other)) == REFUSED


def test_only_the_audience_that_is_set_is_served(serve, issuer, external_id):
    client = serve(JWT_ISSUER=issuer.url, JWT_AUDIENCE="trimind")

    for audience in ("trimind", ["other", "trimind"]):
        assert answer(client, issuer.token(external_id, aud=audience)) == OK
    others: list[object] = [None, "other", ["other"], "", 7, ["trimind", 7]]
    for other in others:
        assert answer(client, issuer.token(external_id, aud=other)) == REFUSED


def test_without_an_issuer_no_token_is_accepted(serve, issuer, external_id):
    assert answer(serve(), issuer.token(external_id)) == REFUSED


@pytest.mark.usefixtures("servers")
def test_keys_rotate_and_an_outage_of_the_issuer_is_survived(serve, external_id, until):
    issuer = Issuer()
    with serving(issuer):
        client = serve(JWT_ISSUER=issuer.url)
        assert answer(client, issuer.token(external_id)) == OK
        new = issuer.signed(issuer.claims(external_id), rsa_key("new"), key_id="new")
        assert answer(client, new) == REFUSED
        issuer.keys.append(published("new", rsa_key("new")))
        until(lambda: answer(client, new) == OK)

    assert answer(client, issuer.token(external_id, jti="during")) == OK
    later = issuer.signed(issuer.claims(external_id, jti="later"), rsa_key("new"), key_id="new")
    assert answer(client, later) == OK
    assert answer(client, issuer.signed(issuer.claims(external_id), rsa_key("x"))) == REFUSED


@pytest.mark.usefixtures("servers")
def test_an_unreachable_issuer_whose_keys_are_unknown_is_a_503(serve, external_id, until):
    issuer = Issuer()
    with serving(issuer):
        port = int(issuer.url.rpartition(":")[2])
    client = serve(JWT_ISSUER=issuer.url)
    token = issuer.token(external_id)

    refused = client.get("/v1/jobs", headers=bearer(token))

    assert (refused.status_code, refused.json()["code"]) == (503, "issuer_unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    assert client.get("/v1/jobs").status_code == 200  # others are served
    with serving(issuer, port):
        until(lambda: answer(client, token) == OK)


def test_times_may_have_fractions_and_a_token_may_be_long(client, issuer, external_id):
    now = time.time()
    token = signed(issuer, external_id, iat=now, nbf=now - 0.5, exp=now + 60.5, more="x" * 4000)

    assert answer(client, token) == OK


def test_unknown_kids_do_not_reach_the_issuer(serve, servers, external_id):
    with serving_issuer() as issuer:
        client = serve(JWT_ISSUER=issuer.url)
        assert answer(client, issuer.token(external_id)) == OK
        before, began = issuer.fetches, time.monotonic()
        for number in range(60):
            token = issuer.signed(issuer.claims(external_id), key_id=f"made-up-{number}")
            assert answer(client, token) == REFUSED

        assert issuer.fetches - before <= 1 + (time.monotonic() - began) / PAUSE_S


def ready(client: httpx.Client) -> tuple[int, str, str, str]:
    """The status of readiness, what it says, and what it says of the issuer."""
    response = client.get("/readyz")
    body = response.json()
    reason = body["reasons"].get("issuer", "")
    return response.status_code, body["status"], body["checks"]["issuer"], reason


def age(issuer: Issuer, by: timedelta) -> None:
    """Let the stored keys of an issuer be older."""
    with unit_of_work() as session:
        stored = update(IssuerKeySet).where(IssuerKeySet.url == issuer.url + PATH)
        session.execute(stored.values(fetched_at=func.clock_timestamp() - by))


def is_stored(issuer: Issuer) -> bool:
    with unit_of_work() as session:
        return session.get(IssuerKeySet, issuer.url + PATH) is not None


def test_a_process_that_starts_during_an_outage_has_the_keys_and_says_so(
    serve, servers, external_id, until
):
    issuer = Issuer()
    with serving(issuer):
        client = serve(JWT_ISSUER=issuer.url)
        assert answer(client, issuer.token(external_id)) == OK
        assert ready(client) == (200, "ok", "ok", "")
        until(lambda: is_stored(issuer))

    late = serve(JWT_ISSUER=issuer.url, LOG_LEVEL="ERROR")
    assert answer(late, issuer.token(external_id, jti="late")) == OK
    status, said, check, reason = ready(late)
    assert (status, said, check) == (200, "degraded", "unavailable")
    assert "known keys are used for 23 h more" in reason
    assert issuer.url not in late.get("/readyz").text

    age(issuer, timedelta(days=1, seconds=1))
    latest = serve(JWT_ISSUER=issuer.url, LOG_LEVEL="WARNING")
    assert answer(latest, issuer.token(external_id)) == (503, "issuer_unavailable")
    status, said, check, reason = ready(latest)
    assert (status, said, check) == (200, "degraded", "unavailable")
    assert "none of its keys is known" in reason
    assert latest.get("/v1/jobs").status_code == 200  # by the shared secret


@pytest.mark.usefixtures("servers")
def test_a_token_signs_a_browser_in_for_a_day(serve, issuer, external_id):
    client = serve(JWT_ISSUER=issuer.url)
    del client.headers["Authorization"]
    expired = issuer.token(external_id, exp=int(time.time()) - HOUR)
    assert client.post("/v1/session", json={"key": expired}).status_code == 401

    made = client.post("/v1/session", json={"key": issuer.token(external_id)})

    assert made.status_code == 201
    assert made.json()["user"] == f"{issuer.url}|{external_id}"
    assert made.json()["admin"] is False
    expires_at = datetime.fromisoformat(made.json()["expires_at"])
    assert timedelta(hours=23) < expires_at - datetime.now(UTC) <= timedelta(days=1)
    assert client.get("/v1/jobs").status_code == 200
