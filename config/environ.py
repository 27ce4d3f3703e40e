"""Which variables of an environment are set: an empty one, or one of white space alone, is not."""

import os
from collections.abc import Mapping
from typing import Final

from dotenv import dotenv_values

# The later one wins, and the real environment over both.
FILES: Final = (".env", ".env.local")

# Keys of HMACs: without its last line feed one would be another key, and void every API key.
_AS_THEY_ARE: Final = frozenset({"SHARED_SECRET", "API_KEY_PEPPER"})


def variable(name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """The variable without white space around it; None where it is not set."""
    return environ.get(name, "").strip() or None


def drop_unset(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Those that are set, as they are."""
    return {name: value for name, value in variables.items() if value and value.strip()}


def trim(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Those that are set, without the white space (a file's last line feed) around their values.

    `SHARED_SECRET` and `API_KEY_PEPPER` stay as they are.
    """
    return {
        name: value if name.upper() in _AS_THEY_ARE else value.strip()
        for name, value in drop_unset(variables).items()
    }


def said(name: str) -> str | None:
    """What the environment or, where it is silent, a `.env` file says of a variable of any case;
    None where it is not set."""
    places: list[Mapping[str, str | None]] = [os.environ]
    places += [dotenv_values(file, encoding="utf-8") for file in reversed(FILES)]
    for place in places:
        for each, value in trim(place).items():
            if each.upper() == name:
                return value
    return None
