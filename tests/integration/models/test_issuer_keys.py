"""The keys of issuers are written when they change, or have not been seen for long."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, update

from models.issuer_keys import IssuerKeySet, load_keys, store_keys
from models.session import unit_of_work

ONE: dict[str, Any] = {"keys": [{"kty": "RSA", "kid": "one"}]}
TWO: dict[str, Any] = {"keys": [{"kty": "RSA", "kid": "two"}]}


@pytest.fixture
def url(backends: Mapping[str, str]) -> str:
    return f"https://{secrets.token_hex(8)}.example.com/.well-known/jwks.json"


def store(url: str, document: dict[str, Any]) -> datetime:
    """When the keys were written last."""
    with unit_of_work() as session:
        store_keys(session, url, document)
    with unit_of_work() as session:
        return session.get_one(IssuerKeySet, url).fetched_at


def age(url: str, by: timedelta) -> datetime:
    """Let the keys be older."""
    with unit_of_work() as session:
        stored = update(IssuerKeySet).where(IssuerKeySet.url == url)
        session.execute(stored.values(fetched_at=func.clock_timestamp() - by))
    with unit_of_work() as session:
        return session.get_one(IssuerKeySet, url).fetched_at


def loaded(url: str) -> tuple[dict[str, Any], float] | None:
    with unit_of_work() as session:
        return load_keys(session, url)


def test_what_was_stored_is_found_with_its_age(url: str) -> None:
    assert loaded(url) is None
    store(url, ONE)
    age(url, timedelta(hours=2))

    found = loaded(url)

    assert found is not None
    assert found[0] == ONE
    assert 7200 <= found[1] < 7260


def test_keys_that_were_seen_lately_are_not_written_again(url: str) -> None:
    store(url, ONE)
    seen = age(url, timedelta(minutes=59))
    assert store(url, ONE) == seen

    assert store(url, TWO) > seen
    assert loaded(url) is not None
    seen = age(url, timedelta(minutes=61))

    assert store(url, TWO) > seen
    found = loaded(url)
    assert found is not None
    assert found[0] == TWO
