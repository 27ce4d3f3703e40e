"""The keys of an issuer, fetched from a real server."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.auth.jwks import MOST_BYTES, MOST_WAITING, IssuerKeys, UnusableKeys, fetch_keys
from app.http.errors import IssuerUnavailable
from tests.issuer import PATH, Issuer, ec_key, published, rsa_key, serving, serving_issuer


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving_issuer() as running:
        yield running


def keys_of(issuer: Issuer, **changed: float) -> IssuerKeys:
    return IssuerKeys(issuer.url + PATH, **changed)


def test_keys_are_fetched_once_for_many_requests(
    issuer: Issuer, together: Callable[..., list[object]]
) -> None:
    keys = keys_of(issuer)

    found = together(MOST_WAITING, lambda: keys.find("one"))

    assert None not in found
    assert keys.find("two") is not None
    assert issuer.fetches == 1


def test_an_unknown_key_is_looked_for_at_most_once_in_a_while(issuer: Issuer) -> None:
    keys = keys_of(issuer, pause_s=60)
    assert keys.find("one") is not None

    assert [keys.find(f"made-up-{number}") for number in range(50)] == [None] * 50

    assert issuer.fetches == 1


def test_a_new_key_is_found_and_a_removed_one_forgotten(issuer: Issuer) -> None:
    keys = keys_of(issuer, pause_s=0)
    assert keys.find("one") is not None

    issuer.keys = [published("three", rsa_key("three"))]

    assert keys.find("three") is not None
    assert keys.find("one") is None


def test_old_keys_are_fetched_again_in_the_background(
    issuer: Issuer, until: Callable[..., None]
) -> None:
    keys = keys_of(issuer, fresh_s=0, pause_s=0)
    assert keys.find("one") is not None
    issuer.keys = [published("three", rsa_key("three"))]

    until(lambda: keys.find("one") is None)


def test_known_keys_are_used_while_the_issuer_is_unreachable() -> None:
    issuer = Issuer()
    with serving(issuer):
        keys = keys_of(issuer, fresh_s=0, pause_s=0, retry_s=0)
        assert keys.find("one") is not None

    assert keys.find("one") is not None
    assert keys.find("made-up") is None


def test_keys_are_not_used_for_ever_while_the_issuer_is_unreachable() -> None:
    issuer = Issuer()
    with serving(issuer):
        keys = keys_of(issuer, pause_s=0, retry_s=0, usable_s=0.0)
        keys_of(issuer).find("one")

    with pytest.raises(IssuerUnavailable):
        keys.find("one")


def test_an_issuer_that_is_back_is_found() -> None:
    issuer = Issuer()
    with serving(issuer):
        port = int(issuer.url.rpartition(":")[2])
    keys = keys_of(issuer, retry_s=0)
    with pytest.raises(IssuerUnavailable):
        keys.find("one")

    with serving(issuer, port):
        assert keys.find("one") is not None


def test_an_unreachable_issuer_is_not_asked_by_every_request() -> None:
    with serving_issuer() as issuer:
        issuer.status = 500
        keys = keys_of(issuer, retry_s=60)
        for _ in range(20):
            with pytest.raises(IssuerUnavailable) as refused:
                keys.find("one")

        assert issuer.fetches == 1
        assert refused.value.retry_after == 60


def test_few_requests_wait_for_a_silent_issuer(issuer: Issuer, until: Callable[..., None]) -> None:
    issuer.gate = threading.Event()
    keys = keys_of(issuer)
    failed: list[IssuerUnavailable] = []

    def ask() -> None:
        try:
            keys.find("one")
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
    ],
    ids=["symmetric", "symmetric as RS256", "for encryption", "RS512", "short", "P-384",
         "P-384 as ES256", "without an id"],
)  # fmt: skip
def test_a_key_that_may_not_verify_is_left_out(issuer: Issuer, unusable: dict[str, Any]) -> None:
    issuer.keys.append(unusable)

    assert fetch_keys(issuer.url + PATH).keys() == {"one", "two"}

    issuer.body = json.dumps({"keys": [unusable]}).encode()
    with pytest.raises(UnusableKeys):
        fetch_keys(issuer.url + PATH)
