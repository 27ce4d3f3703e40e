"""The JSON of messages: kombu reads what we write, and we read what kombu writes."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kombu.exceptions import DecodeError
from kombu.serialization import dumps, loads
from kombu.utils import json as kombu_json

from config.message_json import SERIALIZER, decode, encode, register_serializer

TEXT = st.text(st.characters(), max_size=5)  # lone surrogates too
ONE = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
PLAIN = st.dictionaries(TEXT, ONE | st.lists(ONE, max_size=3), max_size=3)


@given(PLAIN)
@example({"text": "\ud83d", "more": 1.5})
@example([float("inf"), 10**30, -0.0])
def test_kombu_reads_what_we_write(value: Any) -> None:
    assert kombu_json.loads(encode(value)) == value


@given(PLAIN)
@example({"text": "\ud83d"})
@example(["\ud83d\ude00", float("-inf"), 10**30])
def test_we_read_what_kombu_writes(value: Any) -> None:
    written = kombu_json.dumps(value)

    assert decode(written) == decode(written.encode()) == kombu_json.loads(written)


@pytest.mark.parametrize(
    "value", [UUID(int=7), datetime(2026, 1, 2, tzinfo=UTC), Decimal("1.50"), b"\xff", b"text"]
)
def test_what_kombu_marks_is_restored(value: Any) -> None:
    assert decode(kombu_json.dumps({"args": [value]})) == {"args": [value]}


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff\xfe", b"nul", b'{"__type__": "unknown", "__value__": 1}', b"\xef\xbb\xbf1"],
)
def test_what_kombu_refuses_is_refused_in_the_same_way(text: bytes) -> None:
    assert _refusal(decode, text) == _refusal(kombu_json.loads, text)


def _refusal(read: Callable[[bytes], object], text: bytes) -> tuple[type[Exception], str]:
    try:
        pytest.fail(f"read as {read(text)!r}")
    except ValueError as error:
        return type(error), str(error)


def test_an_entry_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises((ValueError, RecursionError)):
        decode(b"[" * 100_000)


def test_an_object_is_refused() -> None:
    with pytest.raises(TypeError):
        encode({"object": object()})


def test_its_messages_are_those_of_kombu() -> None:
    register_serializer()
    content_type, encoding, body = dumps({"id": "job"}, SERIALIZER)

    assert (content_type, encoding) == dumps({"id": "job"}, "json")[:2]
    assert loads(body, content_type, encoding, accept={"application/json"}) == {"id": "job"}
    with pytest.raises(DecodeError):
        loads(b"{", content_type, encoding)
