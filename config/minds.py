"""Minds, routes and intents: read from `minds.toml` and checked at start."""

import hashlib
import tomllib
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.settings import PROVIDER_KEYS, Settings, SettingsError, get_settings, refuse_start

EMBEDDED_MODEL: Final = "embedded/smollm2-135m-instruct"
FALLBACK_INTENT: Final = "other"
BUILT_IN: Final = Path(__file__).with_name("minds.toml")
# Reserved: the mind that merges several answers into one. No message is sent to it.
MANAGER: Final = "manager"
MANAGER_TITLE: Final = "The Manager"
MANAGER_PROMPT: Final = (
    "You are the Manager. Several advisers have answered the user's message. Compose the one "
    "answer that serves the user best: keep what is right, leave out what is repeated, and where "
    "they contradict each other say what is true or that it is open. Answer the user directly."
)


class Mind(BaseModel):
    """A named voice: its title, its system prompt, and its route for each intent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    system_prompt: str
    routes: dict[str, str]


class Minds(BaseModel):
    """The whole file; every reference in it is checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default_mind: str
    intent_models: tuple[str, ...] = ()
    intents: dict[str, str]
    routes: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]]
    minds: dict[str, Mind]
    manager: Mind | None = None

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        problems = [*self._wrong_minds(), *self._wrong_routes(), *self._wrong_models()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _wrong_minds(self) -> list[str]:
        problems = []
        if self.default_mind not in self.minds:
            problems.append(
                f"default_mind {self.default_mind!r} is not a mind; use {_one_of(self.minds)}"
            )
        if MANAGER in self.minds:
            problems.append(
                f"[minds.{MANAGER}] the name is reserved for the mind that merges answers; "
                f"use [{MANAGER}] for that mind, or choose another name"
            )
        if FALLBACK_INTENT not in self.intents:
            problems.append(f"[intents] lacks {FALLBACK_INTENT!r}; add it")
        return problems

    def _wrong_routes(self) -> list[str]:
        problems = []
        minds = [(f"[minds.{name}.routes]", mind) for name, mind in self.minds.items()]
        minds += [(f"[{MANAGER}.routes]", self.manager)] if self.manager else []
        for where, mind in minds:
            if "default" not in mind.routes:
                problems.append(f"{where} lacks 'default'; add default = {_one_of(self.routes)}")
            for intent, route in mind.routes.items():
                if intent != "default" and intent not in self.intents:
                    problems.append(
                        f"{where} unknown intent {intent!r}; use {_one_of(self.intents)}"
                    )
                if route not in self.routes:
                    problems.append(f"{where} unknown route {route!r}; use {_one_of(self.routes)}")
        return problems

    def _wrong_models(self) -> list[str]:
        models = [(f"[routes] {n}", m) for n, ms in self.routes.items() for m in ms]
        models += [("intent_models", m) for m in self.intent_models]
        return [
            f"{where}: model {model!r} has no known provider; use <provider>/<model> with "
            f"{_one_of(PROVIDER_KEYS)}"
            for where, model in models
            if model != EMBEDDED_MODEL and not _has_provider(model)
        ]

    @cached_property
    def version(self) -> str:
        """A short hash of the whole file; cached decisions are keyed by it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def mind(self, name: str) -> Mind:
        """The mind of this name, the reserved manager included, which by default uses the default
        mind's routes. Raises KeyError."""
        if name != MANAGER:
            return self.minds[name]
        routes = self.minds[self.default_mind].routes
        return self.manager or Mind(
            title=MANAGER_TITLE, system_prompt=MANAGER_PROMPT, routes=routes
        )

    def route(self, mind: str, intent: str, settings: Settings) -> tuple[str, ...]:
        """The models to try for this mind and intent, in order; only those that have a key."""
        routes = self.mind(mind).routes
        return with_keys(self.routes[routes.get(intent, routes["default"])], settings)


def with_keys(models: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    """The models whose provider has a key; the embedded model if no provider has one."""
    if any(settings.provider_key(provider) for provider in PROVIDER_KEYS):
        return tuple(m for m in models if m == EMBEDDED_MODEL or _has_key(m, settings))
    return (EMBEDDED_MODEL,) if settings.embedded_model_url else ()


def usable_models(minds: Minds, settings: Settings) -> tuple[str, ...]:
    """The models of the routes for which this server has a key, and the embedded one if it runs."""
    of_routes = dict.fromkeys(model for route in minds.routes.values() for model in route)
    models = dict.fromkeys(with_keys(tuple(of_routes), settings))
    if settings.embedded_model_url:
        models[EMBEDDED_MODEL] = None
    return tuple(models)


def _has_key(model: str, settings: Settings) -> bool:
    return settings.provider_key(model.split("/", 1)[0]) is not None


def _has_provider(model: str) -> bool:
    provider, slash, name = model.partition("/")
    return bool(slash and name) and provider in PROVIDER_KEYS


def _one_of(names: Iterable[str]) -> str:
    return " or ".join(repr(n) for n in names)


def read_minds(path: Path) -> Minds:
    """Read and check a minds file.

    Raises:
        SettingsError: names `MINDS_FILE` and every mistake in it.
    """
    try:
        return Minds.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise SettingsError(f"MINDS_FILE: {path} cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"MINDS_FILE: {path} is not TOML: {error}") from None
    except ValidationError as error:
        lines = [
            f"MINDS_FILE: {path}: {'.'.join(str(part) for part in problem['loc'])} "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise SettingsError("\n".join(lines)) from None


@lru_cache(maxsize=1)
def get_minds() -> Minds:
    """The minds of this process, read once."""
    return read_minds(get_settings().minds_file or BUILT_IN)


def minds_or_exit() -> Minds:
    """The minds of this process; exits, naming every mistake, if the file is invalid or a route has
    no model with a key (status 78, EX_CONFIG)."""
    try:
        minds = get_minds()
        _check_keys(minds, get_settings())
    except SettingsError as error:
        refuse_start(str(error))
    return minds


def _check_keys(minds: Minds, settings: Settings) -> None:
    empty = [name for name, models in minds.routes.items() if not with_keys(models, settings)]
    if empty:
        keys = ", ".join(PROVIDER_KEYS.values())
        raise SettingsError(
            f"{keys}: no model of the route {' and '.join(map(repr, empty))} has a key; "
            "set one of these variables (or, with no provider's key set, EMBEDDED_MODEL_URL)"
        )
