"""The cache key of an intent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.nlu.cache import key
from tasks.nlu.classification import CLASSIFIER_VERSION


@pytest.mark.parametrize(
    "same", ["What is  RAIN?", "  what is rain?\n", "what\tis rain?", "ｗhat is rain?"]
)
def test_case_spaces_and_forms_of_letters_make_no_difference(same: str) -> None:
    assert key("user_1", same, "local", "v1") == key("user_1", "What is rain?", "local", "v1")


def test_another_user_text_classifier_or_table_has_another_key() -> None:
    keys = {
        key("user_1", "What is rain?", "local", "v1"),
        key("user_1", "What is rain", "local", "v1"),
        key("user_1", "Whatis rain?", "local", "v1"),
        key("user_1", "What is rain?", "openai/gpt-5.4-nano", "v1"),
        key("user_1", "What is rain?", "local", "v2"),
        key("user_2", "What is rain?", "local", "v1"),
    }

    assert len(keys) == 6


def test_the_key_names_the_classifiers_version_and_hides_the_text() -> None:
    found = key("user_1", "my secret", "local", "v1")

    assert f":{CLASSIFIER_VERSION}:" in found
    assert "secret" not in found


@given(st.text())
def test_a_key_is_short_and_says_the_same_each_time(message: str) -> None:
    found = key("user_1", message, "local", "v1")

    assert found == key("user_1", message, "local", "v1")
    assert len(found) < 120
    assert found.isascii()
