"""Which variables are set."""

import os
from pathlib import Path

import pytest

from config.environ import drop_unset, export_variables, trim, variable

GIVEN = {"A": "", "B": " \n", "C": " c d\n", "SHARED_SECRET": "s\n", "API_KEY_PEPPER": " "}
REPLACED = {"SHARED_SECRET_PREVIOUS": "r\n", "API_KEY_PEPPER_PREVIOUS": "p\n"}


def test_a_blank_variable_is_none() -> None:
    assert [variable(name, GIVEN) for name in ("A", "B", "C", "D")] == [None, None, "c d", None]


def test_what_is_set_stays_as_it_is() -> None:
    assert drop_unset(GIVEN) == {"C": " c d\n", "SHARED_SECRET": "s\n"}


def test_values_are_trimmed_but_for_the_keys_of_hmacs() -> None:
    assert trim(GIVEN | REPLACED) == {"C": "c d", "SHARED_SECRET": "s\n"} | REPLACED


def test_a_library_finds_the_variables_of_env_files_and_no_blank_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LIBRARY_A=file\nLIBRARY_B=file\nOTHER_A=file\n")
    (tmp_path / ".env.local").write_text("LIBRARY_B=local\nLIBRARY_D=local\n")
    given = {"LIBRARY_A": " set\n", "LIBRARY_C": " ", "LIBRARY_D": ""}
    for name in ("LIBRARY_B", *given):
        monkeypatch.setenv(name, given.get(name, ""))

    export_variables("LIBRARY_")

    found = {name: value for name, value in os.environ.items() if name.startswith("LIBRARY_")}
    assert found == {"LIBRARY_A": "set", "LIBRARY_B": "local", "LIBRARY_D": "local"}
    assert "OTHER_A" not in os.environ
