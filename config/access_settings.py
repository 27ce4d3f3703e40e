"""The variables that say who may do what: secrets, the issuer of JWTs, origins."""

import re
from functools import cached_property
from typing import Annotated, Final

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from config.issuer_url import check_issuer_url
from config.origins import check_origins, read_origins
from config.signing_keys import signing_keys

SHARED_SECRET_MIN_CHARS: Final = 32


class AccessSettings(BaseSettings):
    """How callers authenticate."""

    shared_secret: SecretStr
    shared_secret_previous: SecretStr | None = None
    api_key_pepper: SecretStr | None = None
    api_key_pepper_previous: SecretStr | None = None
    wrong_keys_per_minute: Annotated[int, Field(ge=1, le=1_000_000_000)] = 30
    stream_token_s: Annotated[int, Field(ge=1, le=3600)] = 600
    cors_origins: str | None = None
    flower_basic_auth: SecretStr | None = None
    flower_url: str | None = None
    jwt_issuer: str | None = None
    jwt_jwks_url: str | None = None
    jwt_audience: str | None = None
    jwt_authorized_parties: str | None = None
    clerk_webhook_secret: SecretStr | None = None

    @field_validator("shared_secret", "shared_secret_previous")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value and len(value.get_secret_value()) < SHARED_SECRET_MIN_CHARS:
            raise ValueError(f"is shorter than {SHARED_SECRET_MIN_CHARS} characters")
        return value

    @field_validator("flower_basic_auth")
    @classmethod
    def _user_and_password(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[^:\s]+:\S{8,}", value.get_secret_value()):
            raise ValueError("is not user:password with a password of at least 8 characters")
        return value

    @field_validator("jwt_issuer", "jwt_jwks_url")
    @classmethod
    def _https(cls, value: str | None) -> str | None:
        return None if value is None else check_issuer_url(value)

    @field_validator("clerk_webhook_secret")
    @classmethod
    def _signing_secrets(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            signing_keys(value.get_secret_value())
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: str | None) -> str | None:
        check_origins(value)
        return value

    @property
    def allowed_origins(self) -> list[str]:
        """The origins of `CORS_ORIGINS`, in lower case; `*` stands for all."""
        return read_origins(self.cors_origins)

    @property
    def pepper(self) -> bytes:
        """The key of the HMAC under which API keys are stored."""
        return self.peppers[0]

    @cached_property
    def peppers(self) -> tuple[bytes, ...]:
        """The current pepper, and the previous one while it is replaced. A shared secret that is
        the pepper too is replaced as both."""
        replaced = None if self.api_key_pepper else self.shared_secret_previous
        previous = self.api_key_pepper_previous or replaced
        return _encoded(self.api_key_pepper or self.shared_secret, previous)

    @cached_property
    def shared_secrets(self) -> tuple[bytes, ...]:
        """The current shared secret, and the previous one while it is replaced."""
        return _encoded(self.shared_secret, self.shared_secret_previous)

    @property
    def jwks_url(self) -> str | None:
        """Where the issuer publishes its keys; None if no issuer is set."""
        if self.jwt_issuer is None:
            return None
        return self.jwt_jwks_url or f"{self.jwt_issuer.rstrip('/')}/.well-known/jwks.json"

    @property
    def authorized_parties(self) -> frozenset[str]:
        """The values of `azp` that are accepted; empty if any is, or none."""
        parties = (self.jwt_authorized_parties or "").split(",")
        return frozenset(filter(None, map(str.strip, parties)))


def _encoded(*secrets: SecretStr | None) -> tuple[bytes, ...]:
    return tuple(one.get_secret_value().encode() for one in secrets if one)
