"""The environment, `.env` files included, as `config.settings` reads it."""

import os
from collections.abc import Mapping
from typing import Final

from dotenv import dotenv_values

from config.environ import FILES, drop_unset
from config.settings import Settings

KNOWN: Final = {field.upper() for field in Settings.model_fields}


def read_environment() -> dict[str, str]:
    """The variables that are set; blank ones don't count, and our own may have any case."""
    merged: dict[str, str] = {}
    for file in FILES:
        merged |= _set_ones(dotenv_values(file, encoding="utf-8"))
    return merged | _set_ones(os.environ)


def _set_ones(variables: Mapping[str, str | None]) -> dict[str, str]:
    return {_name(name): value for name, value in drop_unset(variables).items()}


def _name(name: str) -> str:
    return name.upper() if name.upper() in KNOWN else name
