"""A list of origins, as browsers send them: without a path, and without a final slash."""

import re
from typing import Final

ANY: Final = "*"
ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


def read_origins(value: str | None) -> list[str]:
    """The origins in a variable, in lower case; `*` stands for all."""
    return [each.strip().lower() for each in (value or "").split(",") if each.strip()]


def check_origins(value: str | None) -> None:
    """Raise ValueError if an entry is not an origin."""
    for origin in read_origins(value):
        if origin != ANY and not ORIGIN.fullmatch(origin):
            raise ValueError("has an entry that is not * or like https://app.example.com")
