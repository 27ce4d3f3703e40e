"""docs/configuration.md lists every variable, with its default."""

import re
from pathlib import Path
from typing import Final

from config.misspelled import BESIDE_SETTINGS
from config.settings import Settings

PAGE: Final = Path(__file__).resolve().parents[3] / "docs" / "configuration.md"
ROW: Final = re.compile(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \| (.*?) \|", re.MULTILINE)
# Read by HTTP clients instead of by us, or set by tests only.
FOREIGN: Final = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
FOR_TESTS: Final = {"CRASH_AT", "CRASH_ONCE"}


def rows() -> dict[str, str]:
    """The documented default of each variable; empty if its cell has none."""
    found: dict[str, str] = {}
    for names, default in ROW.findall(PAGE.read_text()):
        variables = re.findall(r"[A-Z_]+", names)
        defaults = default.replace("`", "").split(", ")
        if len(defaults) != len(variables):
            defaults = [""] * len(variables)
        found |= dict(zip(variables, defaults, strict=True))
    return found


def test_every_setting_is_in_the_table_and_nothing_else() -> None:
    settings = {field.upper() for field in Settings.model_fields} - FOR_TESTS
    assert rows().keys() - BESIDE_SETTINGS == (settings | FOREIGN) - BESIDE_SETTINGS


def test_every_numeric_default_is_the_one_that_is_used() -> None:
    numbers = {
        field.upper(): str(each.default)
        for field, each in Settings.model_fields.items()
        if type(each.default) in (int, float)
    }
    documented = rows()
    assert {name: documented[name] for name in numbers} == numbers
