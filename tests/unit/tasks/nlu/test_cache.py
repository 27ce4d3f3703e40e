"""The key under which an intent is remembered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.nlu.cache import key
from tasks.nlu.classification import CLASSIFIER_VERSION


@pytest.mark.parametrize(
    "same", ["What is  RAIN?", "  what is rain?\n", "what\tis rain?", "ｗhat is rain?"]
)
def test_case_spaces_and_forms_of_letters_make_no_difference(same: str) -> None:
    assert key(same, "local", "v1") == key("What is rain?", "local", "v1")


def test_another_text_classifier_or_table_has_another_key() -> None:
    keys = {
        key("What is rain?", "local", "v1"),
        key("What is rain", "local", "v1"),
        key("Whatis rain?", "local", "v1"),
        key("What is rain?", "openai/gpt-5.4-nano", "v1"),
        key("What is rain?", "local", "v2"),
    }

    assert len(keys) == 5


def test_the_key_names_the_classifiers_version_and_hides_the_text() -> None:
    found = key("my secret", "local", "v1")

    assert f":{CLASSIFIER_VERSION}:" in found
    assert "secret" not in found


@given(st.text())
def test_a_key_is_short_and_says_the_same_each_time(message: str) -> None:
    found = key(message, "local", "v1")

    assert found == key(message, "local", "v1")
    assert len(found) < 120
    assert found.isascii()
