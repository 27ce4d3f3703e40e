"""The keys of a JWK Set (RFC 7517) that may verify a token, and nothing else of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jwt import PyJWK
from jwt.exceptions import PyJWTError

# By key type; never what a token asks for. No symmetric algorithm: a public key must not become a
# shared secret.
ALGORITHMS: Final = {"RSA": "RS256", "EC": "ES256"}
# What a key of a type needs; the library stumbles over one that lacks it.
NEEDS: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y")}
# The members of a public key. An issuer that publishes a private one by mistake must not have it
# stored here.
MEMBERS: Final = ("kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y")


class UnusableKeys(Exception):
    """The issuer was unreachable, or what it sent has no key that can be used."""


@dataclass(frozen=True)
class KeySet:
    """Keys by their id and algorithm: an issuer may give keys of several types the same id.

    Attributes:
        document: the keys as JSON, always the same for the same keys.
    """

    keys: Mapping[tuple[str, str], PyJWK]
    document: dict[str, Any]

    def __len__(self) -> int:
        return len(self.keys)


NO_KEYS: Final = KeySet({}, {"keys": []})


def read_key_set(found: object) -> KeySet:
    """Read a JWK Set. Of two keys with the same id and algorithm, the first counts.

    Raises:
        UnusableKeys: it is none, or has no key for RS256 or ES256 with an id.
    """
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise UnusableKeys("what it sent is not a JWK Set")
    keys: dict[tuple[str, str], PyJWK] = {}
    public: dict[tuple[str, str], dict[str, Any]] = {}
    for each in listed:
        jwk = {name: each[name] for name in MEMBERS if name in each} if _is_named(each) else {}
        if jwk and (key := _key_of(jwk)) is not None:
            name = (jwk["kid"], str(key.algorithm_name))
            keys.setdefault(name, key)
            public.setdefault(name, jwk)
    if not keys:
        raise UnusableKeys("its JWK Set has no key with an id for RS256 or ES256")
    return KeySet(keys, {"keys": [public[name] for name in sorted(public)]})


def _is_named(jwk: object) -> bool:
    return isinstance(jwk, dict) and isinstance(jwk.get("kid"), str) and jwk["kid"] != ""


def _key_of(jwk: dict[str, Any]) -> PyJWK | None:
    """The key, if it may verify a token: by its type, its use, its curve and its length."""
    if any(not isinstance(jwk[name], str) for name in jwk if name != "key_ops"):
        return None
    if any(name not in jwk for name in NEEDS.get(jwk.get("kty", ""), ("nothing",))):
        return None
    if jwk.get("use", "sig") != "sig" or not _may_verify(jwk.get("key_ops", ["verify"])):
        return None
    try:
        key = PyJWK(jwk)
        if key.algorithm_name != ALGORITHMS.get(jwk["kty"]):
            return None
        key.Algorithm.prepare_key(key.key)
    except PyJWTError:  # of another type or curve
        return None
    return key if key.Algorithm.check_key_length(key.key) is None else None


def _may_verify(operations: object) -> bool:
    return isinstance(operations, list) and "verify" in operations
