"""The reference of the settings has each variable with its limits, its default and its meaning."""

from pathlib import Path

from config.reference import FOR_TESTS, settings_reference
from config.settings import Settings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "configuration.md"


def rows() -> dict[str, list[str]]:
    lines = settings_reference(PAGE.read_text()).splitlines()
    cells = [line.strip("| ").split(" | ", 3) for line in lines if line.startswith("| `")]
    return {name.strip("`"): rest for name, *rest in cells}


def test_every_setting_is_there_and_nothing_else() -> None:
    assert rows().keys() == {name.upper() for name in Settings.model_fields.keys() - FOR_TESTS}


def test_values_are_said_with_their_limits() -> None:
    found = rows()

    assert found["LEASE_S"][:2] == ["number from 1 to 600", "`30`"]
    assert found["RETENTION_DAYS"][:2] == ["integer from 1 to 36,500", ""]
    assert found["STAGE_HOPS"][:2] == ["text `local` or `broker`", "`local`"]
    assert found["DOCS"][:2] == ["`on` or `off`", "`on`"]
    assert found["DATABASE_URL"][:2] == ["secret", "required"]
    assert found["MINDS_FILE"][:2] == ["path", ""]


def test_every_meaning_is_that_of_the_configuration_page() -> None:
    text = PAGE.read_text()

    assert all(meaning and meaning in text for *_, meaning in rows().values())
