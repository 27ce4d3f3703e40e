"""Which variables are set."""

from config.environ import drop_unset, trim, variable

GIVEN = {"A": "", "B": " \n", "C": " c d\n", "SHARED_SECRET": "s\n", "API_KEY_PEPPER": " "}
REPLACED = {"SHARED_SECRET_PREVIOUS": "r\n", "API_KEY_PEPPER_PREVIOUS": "p\n"}


def test_a_blank_variable_is_none() -> None:
    assert [variable(name, GIVEN) for name in ("A", "B", "C", "D")] == [None, None, "c d", None]


def test_what_is_set_stays_as_it_is() -> None:
    assert drop_unset(GIVEN) == {"C": " c d\n", "SHARED_SECRET": "s\n"}


def test_values_are_trimmed_but_for_the_keys_of_hmacs() -> None:
    assert trim(GIVEN | REPLACED) == {"C": "c d", "SHARED_SECRET": "s\n"} | REPLACED
