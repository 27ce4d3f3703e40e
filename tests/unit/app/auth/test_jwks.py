"""The keys of an issuer, fetched from a real server."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt import PyJWK
from jwt.algorithms import RSAAlgorithm

from app.auth.jwk_set import UnusableKeys
from app.auth.jwks import (
    MOST_BYTES,
    MOST_WAITING,
    USABLE_S,
    IssuerKeys,
    IssuerState,
    fetch_keys,
)
from app.http.errors import IssuerUnavailable
from models.errors import DatabaseUnavailable
from tests.issuer import PATH, Issuer, ec_key, published, rsa_key, serving, serving_issuer


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving_issuer() as running:
        yield running


def keys_of(issuer: Issuer, **changed: float) -> IssuerKeys:
    return IssuerKeys(issuer.url + PATH, None, **changed)


def test_keys_are_fetched_once_for_many_requests(
    issuer: Issuer, together: Callable[..., list[object]]
) -> None:
    keys = keys_of(issuer)

    found = together(MOST_WAITING, lambda: keys.find("one", "RS256"))

    assert None not in found
    assert keys.find("two", "ES256") is not None
    assert issuer.fetches == 1


def test_an_unknown_key_is_looked_for_at_most_once_in_a_while(issuer: Issuer) -> None:
    keys = keys_of(issuer, pause_s=60)
    assert keys.find("one", "RS256") is not None

    assert [keys.find(f"made-up-{number}", "RS256") for number in range(50)] == [None] * 50

    assert issuer.fetches == 1


def test_a_new_key_is_found_and_a_removed_one_forgotten(issuer: Issuer) -> None:
    keys = keys_of(issuer, pause_s=0)
    assert keys.find("one", "RS256") is not None

    issuer.keys = [published("three", rsa_key("three"))]

    assert keys.find("three", "RS256") is not None
    assert keys.find("one", "RS256") is None


def test_old_keys_are_fetched_again_in_the_background(
    issuer: Issuer, until: Callable[..., None]
) -> None:
    keys = keys_of(issuer, fresh_s=0, pause_s=0)
    assert keys.find("one", "RS256") is not None
    issuer.keys = [published("three", rsa_key("three"))]

    until(lambda: keys.find("one", "RS256") is None)


def test_known_keys_are_used_while_the_issuer_is_unreachable() -> None:
    issuer = Issuer()
    with serving(issuer):
        keys = keys_of(issuer, fresh_s=0, pause_s=0, retry_s=0)
        assert keys.find("one", "RS256") is not None

    assert keys.find("one", "RS256") is not None


def test_an_unknown_key_may_be_new_while_the_issuer_is_unreachable() -> None:
    issuer = Issuer()
    with serving(issuer):
        keys = keys_of(issuer, pause_s=0, retry_s=0)
        assert keys.find("two", "RS256") is None

    with pytest.raises(IssuerUnavailable):
        keys.find("two", "RS256")


def test_keys_are_not_used_for_ever_while_the_issuer_is_unreachable() -> None:
    issuer = Issuer()
    with serving(issuer):
        keys = keys_of(issuer, pause_s=0, retry_s=0, usable_s=0.0)
        keys_of(issuer).find("one", "RS256")

    with pytest.raises(IssuerUnavailable):
        keys.find("one", "RS256")


def test_an_issuer_that_is_back_is_found() -> None:
    issuer = Issuer()
    with serving(issuer):
        port = int(issuer.url.rpartition(":")[2])
    keys = keys_of(issuer, retry_s=0)
    with pytest.raises(IssuerUnavailable):
        keys.find("one", "RS256")

    with serving(issuer, port):
        assert keys.find("one", "RS256") is not None


def test_an_unreachable_issuer_is_not_asked_by_every_request() -> None:
    with serving_issuer() as issuer:
        issuer.status = 500
        keys = keys_of(issuer, retry_s=60)
        for _ in range(20):
            with pytest.raises(IssuerUnavailable) as refused:
                keys.find("one", "RS256")

        assert issuer.fetches == 1
        assert refused.value.retry_after == 60


def test_few_requests_wait_for_a_silent_issuer(issuer: Issuer, until: Callable[..., None]) -> None:
    issuer.gate = threading.Event()
    keys = keys_of(issuer)
    failed: list[IssuerUnavailable] = []

    def ask() -> None:
        try:
            keys.find("one", "RS256")
        except IssuerUnavailable as error:
            failed.append(error)

    waiting = [threading.Thread(target=ask) for _ in range(MOST_WAITING + 5)]
    for thread in waiting:
        thread.start()
    until(lambda: len(failed) == 5)  # at once
    assert sum(thread.is_alive() for thread in waiting) == MOST_WAITING
    for thread in waiting:
        thread.join(20)

    assert len(failed) == len(waiting)
    assert issuer.fetches == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"keys": []}',
        b'{"keys": {"kid": "one"}}',
        b'{"keys": [1, null, "x", {}]}',
        b'{"keys": [{"kty": "RSA", "kid": "one", "n": "!", "e": "AQAB"}]}',
        b" " * MOST_BYTES + b'{"keys": []}',
        b"\xff\xfe",
    ],
    ids=repr,
)
def test_what_is_no_key_set_is_refused(issuer: Issuer, body: bytes) -> None:
    issuer.body = body
    with pytest.raises(UnusableKeys):
        fetch_keys(issuer.url + PATH)


def test_a_redirect_is_not_followed(issuer: Issuer) -> None:
    with serving_issuer() as other:
        issuer.status, issuer.location = 302, other.url + PATH
        with pytest.raises(UnusableKeys, match="302"):
            fetch_keys(issuer.url + PATH)
        assert other.fetches == 0


def test_a_malformed_proxy_is_no_malformed_answer_and_is_not_quoted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:canary@proxy:port")
    with pytest.raises(UnusableKeys, match="proxy") as refused:
        fetch_keys("https://issuer.invalid")
    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "unusable",
    [
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "x"},
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "x",
         "alg": "RS256"},
        published("x", rsa_key("x"), use="enc"),
        published("x", rsa_key("x"), alg="RS512"),
        published("x", rsa_key("short", 1024)),
        published("x", ec_key("large", ec.SECP384R1)),
        published("x", ec_key("large", ec.SECP384R1), alg="ES256"),
        published(None, rsa_key("x")),
        published("x", rsa_key("x"), key_ops=["encrypt"]),
        published("x", rsa_key("x"), key_ops=[]),
        published("x", rsa_key("x"), key_ops=None),
        published("x", rsa_key("x"), key_ops=7),
        published("x", rsa_key("x"), key_ops="verify"),
        published("x", rsa_key("x"), kty="EC"),
        published("x", rsa_key("x"), kty="XYZ"),
        published("x", rsa_key("x"), kty=["RSA"]),
        published("x", rsa_key("x"), n=7),
        published("x", rsa_key("x"), n="", e=""),
        published("x", ec_key("two"), x="AA"),
        {"kty": "RSA", "kid": "x"},
        {"kty": "EC", "kid": "x", "crv": "P-256"},
        {"kty": "oct", "kid": "x"},
        published("x", rsa_key("x")) | {"kid": 7},
        published("", rsa_key("x")),
    ],
    ids=["symmetric", "symmetric as RS256", "for encryption", "RS512", "short", "P-384",
         "P-384 as ES256", "without an id", "to encrypt", "for nothing", "operations null",
         "operations a number", "operations a text", "RSA as EC", "of an unknown type",
         "of a list of types", "a number", "empty", "off the curve", "without a number",
         "without a point", "without a secret", "with a number as id", "with an empty id"],
)  # fmt: skip
def test_a_key_that_may_not_verify_is_left_out(issuer: Issuer, unusable: dict[str, Any]) -> None:
    issuer.keys.append(unusable)

    assert fetch_keys(issuer.url + PATH).keys.keys() == {("one", "RS256"), ("two", "ES256")}

    issuer.body = json.dumps({"keys": [unusable]}).encode()
    with pytest.raises(UnusableKeys):
        fetch_keys(issuer.url + PATH)


def test_keys_of_two_types_may_have_the_same_id(issuer: Issuer) -> None:
    issuer.keys = [
        published("one", rsa_key("x"), use="enc"),
        published("one", rsa_key("x"), alg="RS512"),
        published("one", ec_key("two")),
        published("one", rsa_key("one"), key_ops=["verify"]),
        published("one", rsa_key("x")),
    ]
    keys = keys_of(issuer)

    by_algorithm = [keys.find("one", algorithm) for algorithm in ("RS256", "ES256", "HS256")]

    assert [key and key.key_type for key in by_algorithm] == ["RSA", "EC", None]
    expected = PyJWK(published("one", rsa_key("one"))).key
    assert by_algorithm[0] is not None
    assert by_algorithm[0].key.public_numbers() == expected.public_numbers()
    assert issuer.fetches == 1


class Shelf:
    """A store of keys in memory, of this age in seconds; or one that is unavailable."""

    def __init__(self, age_s: float = 0.0) -> None:
        self.age_s, self.unavailable, self.loads = age_s, False, 0
        self.document: dict[str, Any] | None = None

    def load(self) -> tuple[dict[str, Any], float] | None:
        self.loads += 1
        if self.unavailable:
            raise DatabaseUnavailable("unavailable")
        return None if self.document is None else (self.document, self.age_s)

    def save(self, document: dict[str, Any]) -> None:
        if self.unavailable:
            raise DatabaseUnavailable("unavailable")
        self.document = document


@pytest.fixture
def shelf(until: Callable[..., None]) -> tuple[Shelf, str]:
    """Where an issuer's keys were stored, and the address of the issuer, which is gone."""
    kept, issuer = Shelf(), Issuer()
    with serving(issuer):
        IssuerKeys(issuer.url + PATH, kept).find("one", "RS256")
        until(lambda: kept.document is not None)
    return kept, issuer.url + PATH


def test_a_process_that_starts_during_an_outage_uses_the_stored_keys(
    shelf: tuple[Shelf, str],
) -> None:
    kept, url = shelf
    keys = IssuerKeys(url, kept)

    assert keys.find("one", "RS256") is not None
    assert keys.find("two", "ES256") is not None
    state = keys.state(10)
    assert not state.reached
    assert USABLE_S - 60 < state.usable_s <= USABLE_S


def test_stored_keys_are_used_until_their_age_and_no_longer(shelf: tuple[Shelf, str]) -> None:
    kept, url = shelf
    kept.age_s = USABLE_S - 60
    assert IssuerKeys(url, kept).find("one", "RS256") is not None

    kept.age_s = USABLE_S + 1
    keys = IssuerKeys(url, kept)

    with pytest.raises(IssuerUnavailable):
        keys.find("one", "RS256")
    assert keys.state(10) == IssuerState(reached=False, usable_s=0.0)


def test_a_store_that_is_unavailable_is_asked_again(shelf: tuple[Shelf, str]) -> None:
    kept, url = shelf
    kept.unavailable = True
    keys = IssuerKeys(url, kept, retry_s=0)
    with pytest.raises(IssuerUnavailable):
        keys.find("one", "RS256")

    kept.unavailable = False

    assert keys.find("one", "RS256") is not None


def test_a_store_that_is_unavailable_is_not_asked_by_every_request(issuer: Issuer) -> None:
    kept = Shelf()
    kept.unavailable = True
    keys = IssuerKeys(issuer.url + PATH, kept, retry_s=60)

    assert all(keys.find("one", "RS256") for _ in range(20))

    assert kept.loads == 1


def test_keys_that_another_process_has_fetched_since_are_used(
    shelf: tuple[Shelf, str], until: Callable[..., None]
) -> None:
    kept, url = shelf
    keys = IssuerKeys(url, kept, retry_s=0, fresh_s=0)
    assert keys.find("one", "RS256") is not None

    kept.document = {"keys": [published("three", rsa_key("three"))]}

    def finds_three() -> bool:
        with suppress(IssuerUnavailable):
            return keys.find("three", "RS256") is not None
        return False

    until(finds_three)
    with pytest.raises(IssuerUnavailable):
        keys.find("one", "RS256")


@pytest.mark.parametrize("document", [{}, {"keys": []}, {"keys": [{"kty": "oct", "kid": "one"}]}])
def test_stored_keys_that_are_none_are_not_used(
    shelf: tuple[Shelf, str], document: dict[str, Any]
) -> None:
    kept, url = shelf
    kept.document = document

    with pytest.raises(IssuerUnavailable):
        IssuerKeys(url, kept).find("one", "RS256")


def test_only_what_is_public_is_stored(issuer: Issuer, until: Callable[..., None]) -> None:
    kept = Shelf()
    private = RSAAlgorithm.to_jwk(rsa_key("one"), as_dict=True)
    issuer.keys = [private | {"kid": "one", "key_ops": ["verify"], "x5u": "http://127.0.0.1:9"}]

    assert IssuerKeys(issuer.url + PATH, kept).find("one", "RS256") is not None

    until(lambda: kept.document is not None)
    assert kept.document is not None
    assert kept.document["keys"][0].keys() == {"kty", "kid", "key_ops", "n", "e"}


def test_an_issuer_that_is_reached_is_not_asked_at_every_look(issuer: Issuer) -> None:
    keys = keys_of(issuer)

    states = [keys.state(10) for _ in range(20)]

    assert all(state.reached for state in states)
    assert issuer.fetches == 1


def test_a_look_waits_for_a_silent_issuer_for_its_time_only(issuer: Issuer) -> None:
    issuer.gate = threading.Event()

    assert keys_of(issuer).state(0.05) == IssuerState(reached=False, usable_s=0.0)


def test_an_issuer_that_is_back_is_seen(until: Callable[..., None]) -> None:
    issuer = Issuer()
    with serving(issuer):
        port = int(issuer.url.rpartition(":")[2])
    keys = keys_of(issuer, retry_s=0)
    assert not keys.state(10).reached

    with serving(issuer, port):
        until(lambda: keys.state(10).reached)
