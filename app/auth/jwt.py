"""Users who sign in by a JWT of `JWT_ISSUER`: Clerk's, or any OIDC issuer's.

Imported when the first one arrives: the library takes 20 MB, and many installations have no issuer.
"""

import hashlib
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    MissingRequiredClaimError,
    PyJWTError,
)

from app.auth.actor import actor
from app.auth.issuer_users import external_id_of
from app.auth.jwk_set import ALGORITHMS
from app.auth.jwks import IssuerKeys, issuer_keys
from app.auth.key_cache import known_keys
from app.auth.wrong_keys import wrong_key
from app.http.db import db
from config.once import once
from config.settings import Settings, get_settings
from models.deleted_users import AccessEnded, create_signed_in_user, find_signed_in_user
from models.errors import Unauthorized
from models.grants import Grant
from models.scopes import USUAL, granted
from models.session import autocommit

LEEWAY_S: Final = 60
# The actor of users' creation, in the audit log.
ISSUER: Final = "issuer"
REQUIRED: Final = ("iss", "exp", "sub")
TIMES: Final = ("exp", "iat", "nbf")
LAST_MOMENT: Final = 253_402_300_800
# For how long a token that was verified is not verified again, and of how many that is known.
VERIFIED_FOR_S: Final = 60.0
MOST_VERIFIED: Final = 4096

# What the caller is told. A library's message may repeat what the token says.
REASONS: Final[tuple[tuple[type[PyJWTError], str], ...]] = (
    (InvalidIssuerError, "The token is another issuer's."),
    (InvalidAudienceError, "The token is for another audience (aud)."),
)
INVALID: Final = "The token is invalid."


class InvalidToken(Exception):
    """A token that the issuer did not sign, or not for this installation; the message says why."""


@dataclass(frozen=True)
class Identity:
    """Whom a token speaks of, and until when: `expires_at` is in seconds since 1970, and so is
    `issued_at`, if the token says it. `digest` is the token's."""

    external_id: str
    issued_at: int | None
    expires_at: int
    digest: bytes


def grant_of_token(token: str) -> Grant:
    """What a token allows the user that it speaks of, who is created on first sight.

    Raises:
        Unauthorized: the token is invalid, or no issuer is set.
        TooManyWrongKeys: it is one of too many invalid ones. One that was or will be valid isn't
            counted: an honest client may send it again and again.
        IssuerUnavailable: its key is unknown, and the issuer was not reached.
    """
    settings = get_settings()
    if settings.jwks_url is None:
        raise wrong_key("JWTs are not accepted: JWT_ISSUER is not set.")
    try:
        identity = _verifier(settings).identity_of(token)
    except InvalidToken as error:
        raise wrong_key(str(error)) from None
    grant = known_keys().find(identity.digest, partial(_provision, identity))
    if grant is None:
        raise Unauthorized("The user was deleted or banned after the token was issued.")
    return grant


def _provision(identity: Identity) -> Grant | None:
    user_id = _user_of(identity)
    if user_id is None:
        return None
    lasts_s = max(0.0, identity.expires_at + LEEWAY_S - time.time())
    return Grant(user_id, user_id, granted(USUAL), lasts_s)


def _user_of(identity: Identity) -> str | None:
    """The user's id; None if the user was deleted or banned after the token was issued."""
    who = (identity.external_id, identity.issued_at)
    try:
        with autocommit() as connection:
            known = find_signed_in_user(connection, *who)
        if known is not None:
            return known
        created = create_signed_in_user(db.session(), *who, actor(ISSUER))
        db.session.commit()
    except AccessEnded:
        db.session.rollback()
        return None
    return created


class Verifier:
    """Verifies the tokens of the issuer that is set. Thread-safe.

    It remembers tokens that were valid for some seconds, at most until they expire: whoever has one
    sends it with each request.
    """

    def __init__(self, settings: Settings, keys: IssuerKeys) -> None:
        self._settings, self._keys = settings, keys
        self._lock = threading.Lock()
        self._verified: dict[bytes, tuple[Identity, float]] = {}

    def identity_of(self, token: str) -> Identity:
        """Whom a token speaks of.

        Raises:
            InvalidToken: the token is invalid at any time.
            Unauthorized: it is not valid now, or its subject can't be used.
            IssuerUnavailable: its key is unknown, and the issuer was not reached.
        """
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None and time.time() < known[1]:
            return known[0]
        claims = self._claims_of(token)
        external_id = external_id_of(claims["iss"], claims["sub"])
        expires_at = int(claims["exp"])
        identity = Identity(external_id, _seconds(claims.get("iat")), expires_at, digest)
        until = min(time.time() + VERIFIED_FOR_S, expires_at + LEEWAY_S)
        with self._lock:
            self._verified.pop(digest, None)
            if len(self._verified) >= MOST_VERIFIED:
                del self._verified[next(iter(self._verified))]  # the oldest
            self._verified[digest] = identity, until
        return identity

    def _claims_of(self, token: str) -> dict[str, Any]:
        try:
            claims = self._decode(token)
        except ExpiredSignatureError:
            raise Unauthorized("The token has expired.") from None
        except ImmatureSignatureError:
            raise Unauthorized("The token is not valid yet.") from None
        except MissingRequiredClaimError as error:
            raise InvalidToken(f"The token has no {error.claim}.") from None
        except PyJWTError as error:
            reasons = (reason for kind, reason in REASONS if isinstance(error, kind))
            raise InvalidToken(next(reasons, INVALID)) from None
        except (ValueError, RecursionError):  # JSON that Python refuses: numbers, depth
            raise InvalidToken(INVALID) from None
        if not _are_moments(claims):
            raise InvalidToken(INVALID)
        parties, party = self._settings.authorized_parties, claims.get("azp")
        if parties and not (isinstance(party, str) and party in parties):
            raise InvalidToken("The token is for another party (azp).")
        return claims

    def _decode(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        key_id, algorithm = header.get("kid"), header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS.values():
            raise InvalidToken("The token must be signed with RS256 or ES256.")
        if not isinstance(key_id, str) or not key_id:
            raise InvalidToken("The token doesn't name its key (kid).")
        key = self._keys.find(key_id, algorithm)
        if key is None:
            raise InvalidToken("The token's key (kid) is unknown.")
        audience = self._settings.jwt_audience
        # PyJWT refuses an algorithm that is not the key's own.
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS.values()),
            issuer=self._settings.jwt_issuer,
            audience=audience,
            leeway=LEEWAY_S,
            options={"require": list(REQUIRED), "verify_aud": audience is not None},
        )
        return claims


def _are_moments(claims: dict[str, Any]) -> bool:
    """Whether the times are numbers of seconds up to the year 9999. The library takes more, and
    texts too."""
    times = [claims[name] for name in TIMES if name in claims]
    return all(isinstance(at, int | float) and not isinstance(at, bool) for at in times) and all(
        abs(at) < LAST_MOMENT for at in times
    )


def _seconds(moment: object) -> int | None:
    return int(moment) if isinstance(moment, int | float) else None


@once
def _verifier(settings: Settings) -> Verifier:
    assert settings.jwks_url is not None  # noqa: S101 (`grant_of_token` has checked)
    return Verifier(settings, issuer_keys(settings.jwks_url))
