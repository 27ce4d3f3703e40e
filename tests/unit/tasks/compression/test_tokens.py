"""Tokens are counted from the vocabularies in LiteLLM's wheel, without LiteLLM or a network."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.compression import tokens
from tests.fresh_python import FreshPython


def test_counts_are_those_of_the_openai_vocabularies() -> None:
    assert tokens.count("") == 0
    assert tokens.count("Hello, world!") == 4
    assert tokens.count("<|endoftext|>") > 1
    assert tokens.count("こんにちは世界", "o200k_base") < tokens.count("こんにちは世界")


def test_an_unknown_encoding_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="p50k_nonsense"):
        tokens.count("text", "p50k_nonsense")


def test_a_long_run_of_one_character_is_counted() -> None:
    assert 0 < tokens.count("a" * 2_000_000) <= 2_000_000


def test_counting_needs_neither_litellm_nor_the_network(fresh_python: FreshPython) -> None:
    code = (
        "import socket, sys\n"
        "socket.socket.connect = None\n"
        "from tasks.compression import tokens\n"
        "print(tokens.count('Hello, world!'), 'litellm' in sys.modules)\n"
    )
    clean = {k: v for k, v in os.environ.items() if k != "TIKTOKEN_CACHE_DIR"}
    done = fresh_python(code, env=clean, check=True)
    assert done.stdout.split() == ["4", "False"]


@given(st.text())
def test_any_text_can_be_counted(text: str) -> None:
    assert 0 <= tokens.count(text) <= 4 * len(text)
