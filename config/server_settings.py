"""The variables that name PostgreSQL, Redis and Celery's broker."""

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qs, quote, urlencode

from pydantic import Field, FilePath, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from config.database_url import read_database_url
from config.sentinel_url import SENTINEL_PASSWORD, is_sentinel_url
from config.server_url import check_server_url


class ServerSettings(BaseSettings):
    """Where the servers are."""

    # Before the URLs, whose validators read it
    redis_ssl_cert_reqs: Annotated[str, Field(pattern="^(required|none)$")] = "required"
    redis_ssl_ca_certs: FilePath | None = None
    redis_sentinel_password: SecretStr | None = None
    database_url: SecretStr
    redis_url: SecretStr
    broker_url: SecretStr | None = None

    @field_validator("database_url")
    @classmethod
    def _postgresql_by_psycopg(cls, value: SecretStr) -> SecretStr:
        return SecretStr(read_database_url(value.get_secret_value()))

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        url = value.get_secret_value()
        if not re.match(r"^rediss?(\+sentinel)?://[^/]+", url):
            raise ValueError("is not a Redis URL")
        check_server_url(url)
        return SecretStr(_with_options(url, info.data))

    @field_validator("broker_url")
    @classmethod
    def _broker(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            return None
        url = value.get_secret_value()
        if not re.match(r"^(rediss?(\+sentinel)?|amqps?)://[^/]+", url):
            raise ValueError("is neither a Redis nor an AMQP URL")
        check_server_url(url)
        return SecretStr(_with_options(url, info.data))

    @property
    def broker(self) -> str:
        """Celery's broker: `BROKER_URL`, or `REDIS_URL` if it is not set."""
        return (self.broker_url or self.redis_url).get_secret_value()


def _with_options(url: str, settings: Mapping[str, Any]) -> str:
    """Add what a platform's URL lacks: how to verify the certificate, which kombu requires, and the
    sentinels' own password."""
    given = parse_qs(url.partition("?")[2])
    ours: dict[str, str] = {}
    if url.startswith("rediss"):
        ours["ssl_cert_reqs"] = settings.get("redis_ssl_cert_reqs", "required")
        if authority := settings.get("redis_ssl_ca_certs"):
            ours["ssl_ca_certs"] = str(authority)
    password = settings.get("redis_sentinel_password")
    if is_sentinel_url(url) and password is not None:
        ours[SENTINEL_PASSWORD] = password.get_secret_value()
    missing = {name: value for name, value in ours.items() if name not in given}
    if not missing:
        return url
    return f"{url}{'&' if given else '?'}{urlencode(missing, quote_via=quote)}"
