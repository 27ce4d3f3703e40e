"""The variables that name PostgreSQL, Redis and Celery's broker."""

import re
from typing import Annotated

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from config.database_url import read_database_url
from config.server_url import check_server_url


class ServerSettings(BaseSettings):
    """Where the servers are."""

    # Before the URLs, whose validators read it
    redis_ssl_cert_reqs: Annotated[str, Field(pattern="^(required|none)$")] = "required"
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
        if not re.match(r"^rediss?://[^/]+", url):
            raise ValueError("is not a Redis URL")
        check_server_url(url)
        return SecretStr(_with_certificates(url, info.data.get("redis_ssl_cert_reqs", "required")))

    @field_validator("broker_url")
    @classmethod
    def _broker(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            return None
        url = value.get_secret_value()
        if not re.match(r"^(rediss?|amqps?)://[^/]+", url):
            raise ValueError("is neither a Redis nor an AMQP URL")
        check_server_url(url)
        return SecretStr(_with_certificates(url, info.data.get("redis_ssl_cert_reqs", "required")))

    @property
    def broker(self) -> str:
        """Celery's broker: `BROKER_URL`, or `REDIS_URL` if it is not set."""
        return (self.broker_url or self.redis_url).get_secret_value()


def _with_certificates(url: str, by_default: str) -> str:
    """Add `ssl_cert_reqs`, which kombu requires, to a `rediss://` URL that has none."""
    if url.startswith("rediss://") and "ssl_cert_reqs" not in url:
        return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs={by_default}"
    return url
