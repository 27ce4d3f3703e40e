"""Environment variables; blank ones count as unset."""

import os
from collections.abc import Mapping
from typing import Final

from dotenv import dotenv_values

# The later file takes precedence, and the environment over both.
FILES: Final = (".env", ".env.local")

# HMAC keys: trimming a line feed would change the key, and invalidate every API key.
_AS_THEY_ARE: Final = frozenset(
    {"SHARED_SECRET", "SHARED_SECRET_PREVIOUS", "API_KEY_PEPPER", "API_KEY_PEPPER_PREVIOUS"}
)


def variable(name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """The variable without surrounding white space; None if it is not set."""
    return environ.get(name, "").strip() or None


def drop_unset(variables: Mapping[str, str | None]) -> dict[str, str]:
    """The variables that are set, unchanged."""
    return {name: value for name, value in variables.items() if value and value.strip()}


def trim(variables: Mapping[str, str | None]) -> dict[str, str]:
    """The variables that are set, without surrounding white space (such as a file's line feed).

    `SHARED_SECRET`, `API_KEY_PEPPER` and those that they replace are left unchanged.
    """
    return {
        name: value if name.upper() in _AS_THEY_ARE else value.strip()
        for name, value in drop_unset(variables).items()
    }


def said(name: str) -> str | None:
    """A variable, in any case, from the environment or else a `.env` file; None if not set."""
    places: list[Mapping[str, str | None]] = [os.environ]
    places += [dotenv_values(file, encoding="utf-8") for file in reversed(FILES)]
    for place in places:
        for each, value in trim(place).items():
            if each.upper() == name:
                return value
    return None


def names_in(file: str) -> list[str]:
    """The names of the variables in a `.env` file; none if there is no such file."""
    return list(dotenv_values(file, encoding="utf-8", interpolate=False))


def export_variables(prefix: str) -> None:
    """Put the variables with this prefix into the environment as the settings would read them,
    those of `.env` files too and no blank ones, for a library that reads them itself."""
    places: list[Mapping[str, str | None]] = [dotenv_values(f, encoding="utf-8") for f in FILES]
    found: dict[str, str] = {}
    for place in (*places, os.environ):
        found |= trim({name: value for name, value in place.items() if name.startswith(prefix)})
    for name in [name for name in os.environ if name.startswith(prefix)]:
        del os.environ[name]
    os.environ.update(found)
