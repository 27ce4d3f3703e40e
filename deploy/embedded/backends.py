"""PostgreSQL, Redis and the model: the embedded ones, unless the environment names others."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType

from config.environ import drop_unset
from deploy.embedded.model import DEFAULT_SLOTS, Model
from deploy.embedded.postgres import Postgres
from deploy.embedded.redis import Redis
from deploy.embedded.secrets import Secrets
from deploy.embedded.service import Service
from deploy.embedded.supervisor import Supervisor
from deploy.embedded.unit import Log

MODEL_VARIABLES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "EMBEDDED_MODEL_URL")
_PASSED_ON = ("DATABASE_URL", "BROKER_URL", *MODEL_VARIABLES, "EMBEDDED_MODEL_CONTEXT")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_REDIS_SCHEMES = ("redis://", "rediss://", "redis+sentinel://", "rediss+sentinel://")


class Backends:
    """The application's backends. Those that `environ` names are used; blank counts as unset.

    Under `trimind up` a supervisor owns the data folder and is given `services()`. Tests use this
    as a context manager, with its own supervisor:

        with Backends(home, {}) as backends:
            backends.environment()["DATABASE_URL"]

    Args:
        home: the data folder; as root one that every user can enter (not pytest's `tmp_path`).
        environ: determines what is started; empty for tests.
        model_slots: requests that the model answers at once.
        log: called with (name, line) when used as a context manager; by default lines are dropped,
            and a failure's message has the last ones.
    """

    def __init__(
        self,
        home: Path,
        environ: Mapping[str, str],
        *,
        model_slots: int = DEFAULT_SLOTS,
        log: Log | None = None,
    ) -> None:
        self.home = home
        self._set = drop_unset(environ)
        self._model_slots = model_slots
        self._supervisor = Supervisor(home, log or _drop)

    def __enter__(self) -> "Backends":
        self._supervisor.__enter__()
        try:
            self._supervisor.start(self.services())
        except BaseException as error:  # whatever it was, no process must be left
            self._supervisor.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._supervisor.__exit__(kind, error, traceback)

    def services(self) -> list[Service]:
        """The services to start, independent of each other. Call it while the folder is locked."""
        postgres = self._postgres.services() if self._postgres else []
        redis = [self._redis.service()] if self._redis else []
        model = [self._model.service()] if self._model else []
        return [*model, *redis, *postgres]

    def names(self) -> tuple[str, ...]:
        """The names of the embedded services among postgres, redis and model."""
        found = {"postgres": self._postgres, "redis": self._redis, "model": self._model}
        return tuple(name for name, backend in found.items() if backend)

    def environment(self) -> dict[str, str]:
        """The variables for the application's processes, on top of the current environment."""
        secrets = self._secrets
        made = {
            "TRIMIND_HOME": str(self.home),
            "SHARED_SECRET": secrets.shared_secret,
            "FLOWER_BASIC_AUTH": secrets.flower_basic_auth,
        }
        if self._postgres:
            made["DATABASE_URL"] = self._postgres.url
        made["REDIS_URL"] = self._redis.url if self._redis else self._set_redis_url
        if self._model:
            made["EMBEDDED_MODEL_URL"] = self._model.url
            made["EMBEDDED_MODEL_CONTEXT"] = str(self._model.context)
            made |= self._around_proxies()
        given = ("SHARED_SECRET", "FLOWER_BASIC_AUTH", *_PASSED_ON)
        return made | {name: self._set[name] for name in given if name in self._set}

    def kill(self, name: str) -> None:
        """Kill postgres, redis or model with SIGKILL; return when it is gone."""
        self._supervisor.kill(name)

    def restart(self, name: str) -> None:
        """Restart it with the same URL; return when it is ready."""
        self._supervisor.restart(name)

    def pid(self, name: str) -> int | None:
        """Its process id; None while it is down."""
        return self._supervisor.pid(name)

    def _around_proxies(self) -> dict[str, str]:
        """Variables that keep HTTP clients from using a proxy for loopback."""
        if not any(name.lower() in _PROXIES for name in self._set):
            return {}
        given = self._set.get("no_proxy") or self._set.get("NO_PROXY")
        direct = f"{given},127.0.0.1" if given else "127.0.0.1"
        return {"NO_PROXY": direct, "no_proxy": direct}

    @property
    def _set_redis_url(self) -> str:
        """The configured Redis: REDIS_URL, or BROKER_URL if that is a Redis; else empty."""
        broker = self._set.get("BROKER_URL", "")
        return self._set.get("REDIS_URL") or (broker if broker.startswith(_REDIS_SCHEMES) else "")

    @cached_property
    def _secrets(self) -> Secrets:
        return Secrets.of(self.home)

    @cached_property
    def _postgres(self) -> Postgres | None:
        return None if "DATABASE_URL" in self._set else Postgres(self.home, os.environ)

    @cached_property
    def _redis(self) -> Redis | None:
        if self._set_redis_url:
            return None
        return Redis(self.home, os.environ, self._secrets.redis_password)

    @cached_property
    def _model(self) -> Model | None:
        if any(name in self._set for name in MODEL_VARIABLES):
            return None
        return Model(os.environ, self._model_slots)


def _drop(name: str, line: str) -> None:
    """Drop a log line."""
