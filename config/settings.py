"""Every variable that Trimind reads: typed, with its default, and checked at start."""

import re
import sys
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, NoReturn

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from config.access_settings import AccessSettings
from config.environ import FILES, trim
from config.proxy_url import MALFORMED, usable
from config.server_settings import ServerSettings

PROVIDER_KEYS: Final = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GOOGLE_API_KEY",
}

WHAT_TO_WRITE: Final = {
    "DATABASE_URL": "set DATABASE_URL=postgresql://user:password@host:5432/name",
    "REDIS_URL": "set REDIS_URL=redis://:password@host:6379/0",
    "SHARED_SECRET": "set SHARED_SECRET=<at least 32 random characters>, "
    "for example from: openssl rand -hex 32",
}


class SettingsError(Exception):
    """A variable is missing or invalid; the message names it and says how to set it."""


class Settings(AccessSettings, ServerSettings):
    """The settings of a process.

    The environment takes precedence over `.env.local`, which takes precedence over `.env`. A blank
    variable counts as unset. Secrets never appear in a repr or a log.
    """

    model_config = SettingsConfigDict(
        env_file=FILES, env_ignore_empty=True, extra="ignore", frozen=True
    )

    # Models
    openai_api_key: SecretStr | None = None
    anthropic_api_key: SecretStr | None = None
    google_api_key: SecretStr | None = None
    openai_api_base: str | None = None
    anthropic_api_base: str | None = None
    embedded_model_url: str | None = None
    embedded_model_context: Annotated[int, Field(ge=512)] = 4096
    minds_file: Path | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    max_tokens: Annotated[int, Field(ge=1)] = 1000
    history_tokens: Annotated[int, Field(ge=0)] = 8000
    first_byte_limit_s: Annotated[float, Field(ge=1, le=3000)] = 600
    max_answer_chars: Annotated[int, Field(ge=1, le=10_000_000)] = 400_000

    # Jobs
    max_message_chars: Annotated[int, Field(ge=1)] = 100_000
    compress_over_chars: Annotated[int, Field(ge=0)] = 500
    compress_rate: Annotated[float, Field(gt=0, lt=1)] = 0.5
    llmlingua_model: Path | None = None
    deadline_s: Annotated[int, Field(ge=1, le=86_400)] = 3600
    user_share: Annotated[int, Field(ge=1, le=100_000)] = 320
    wait_max_s: Annotated[int, Field(ge=0, le=3600)] = 25
    response_hold_s: Annotated[int, Field(ge=1, le=86_400)] = 600
    intent_cache_s: Annotated[int, Field(ge=0)] = 86_400
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    audit_retention_days: Annotated[int, Field(ge=0, le=36_500)] = 400

    # Limits of each user, unless `trimind user limits` says otherwise; 0: none
    requests_per_minute: Annotated[int, Field(ge=0, le=1_000_000_000)] = 60_000
    jobs_per_user: Annotated[int, Field(ge=0, le=1_000_000_000)] = 10_000
    streams_per_user: Annotated[int, Field(ge=0, le=60_000)] = 0
    # In US dollars for the jobs of a calendar month
    spend_limit_usd: Annotated[Decimal, Field(ge=0, lt=100_000_000)] = Decimal(0)

    # Recovery: how long a silent owner or a queued message is trusted, and how often it is checked
    lease_s: Annotated[float, Field(ge=1, le=600)] = 30
    beat_s: Annotated[float, Field(gt=0)] = 10
    queue_lease_s: Annotated[int, Field(ge=2, le=3600)] = 30
    reconcile_every_s: Annotated[float, Field(ge=0.1, le=60)] = 2
    stage_hops: Annotated[str, Field(pattern="^(local|broker)$")] = "local"
    drain_s: Annotated[float, Field(ge=0, le=25)] = 20

    # Webhooks
    webhook_allow_private: bool = False
    webhook_proxy: SecretStr | None = None

    # Processes
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    flower_port: Annotated[int, Field(ge=1, le=65535)] = 5555
    docs: bool = True
    web_threads: Annotated[int, Field(ge=1)] = 64
    web_streams: Annotated[int, Field(ge=1, le=60_000)] = 5000
    headers_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 10
    body_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 30
    send_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 20
    heartbeat_s: Annotated[float, Field(gt=0, le=3600)] = 15
    web_concurrency: Annotated[int, Field(ge=1, le=256)] = 1
    worker_processes: Annotated[int, Field(ge=1, le=256)] = 1
    worker_threads: Annotated[int, Field(ge=1, le=2000)] = 256
    cpu_workers: Annotated[int, Field(ge=1, le=256)] = 1
    database_pool: Annotated[int, Field(ge=1)] = 5
    redis_pool: Annotated[int, Field(ge=3)] = 128
    # Tests only: where a worker crashes, once (tasks/execution/failpoints.py)
    crash_at: str | None = None
    crash_once: Path | None = None
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    log_format: Annotated[str, Field(pattern="^(text|json)$")] = "text"
    otel_exporter_otlp_endpoint: str | None = None
    otel_service_name: str = "trimind"
    trace_text: bool = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment and the files, each without blank variables."""
        for source in (env_settings, dotenv_settings):
            if isinstance(source, EnvSettingsSource):
                source.env_vars = trim(source.env_vars)
        return init_settings, env_settings, dotenv_settings

    @field_validator("webhook_proxy")
    @classmethod
    def _usable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        url = usable(value.get_secret_value())
        if url is None:
            raise ValueError(MALFORMED)
        return SecretStr(url)

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", value):
            raise ValueError("is not a URL of the form http://host:4318")
        return value

    @field_validator("beat_s")
    @classmethod
    def _two_beats_a_lease(cls, value: float, info: ValidationInfo) -> float:
        if value >= info.data.get("lease_s", value * 3) / 2:
            raise ValueError("is not less than half of LEASE_S: one missed beat would lose a lease")
        return value

    def provider_key(self, provider: str) -> str | None:
        """The key of `openai`, `anthropic` or `gemini`; None if it is not set."""
        field = PROVIDER_KEYS[provider].lower()
        secret: SecretStr | None = getattr(self, field)
        return secret.get_secret_value() if secret else None


def read_settings() -> Settings:
    """Read the settings from the environment, uncached.

    Raises:
        SettingsError: has a line for each variable that is missing or invalid.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(error))) from None


def _explain(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        name = str(problem["loc"][0]).upper()
        what = "is missing" if problem["type"] == "missing" else problem["msg"]
        what = what.removeprefix("Value error, ")
        advice = WHAT_TO_WRITE.get(name, "see docs/configuration.md")
        lines.append(f"{name}: {what}; {advice}")
    return lines


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return read_settings()


def settings_or_exit() -> Settings:
    """The settings of this process; exits, naming each missing or invalid variable (status 78,
    EX_CONFIG of sysexits.h)."""
    try:
        return get_settings()
    except SettingsError as error:
        refuse_start(str(error))


def refuse_start(problem: str) -> NoReturn:
    """Exit because of a wrong configuration, with a line for each variable (status 78)."""
    sys.stderr.write(f"trimind cannot start:\n{problem}\n")
    raise SystemExit(78)
