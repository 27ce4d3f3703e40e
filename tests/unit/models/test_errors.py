"""Errors have stable codes, and their types survive pickling."""

import inspect
import pickle
from decimal import Decimal
from typing import Any

import pytest

from app.http import errors as http_errors
from models import conflicts, errors
from models.errors import Conflict, Internal, PermanentError, TransientError, TrimindError

ALL = [
    kind
    for module in (errors, conflicts, http_errors)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, TrimindError) and kind.__module__ == module.__name__
]


def made(kind: type[TrimindError]) -> TrimindError:
    """An instance of this class, with every argument given."""
    values: dict[str, Any] = {
        "message": "What happened.",
        "retry_after": 2.5,
        "field": "message",
        "variable": "KEY",
        "no_credit": True,
        "limit_usd": Decimal(1),
        "left_usd": Decimal("0.5"),
        "resets_in_s": 60.0,
    }
    names = list(inspect.signature(kind.__init__).parameters)[1:]
    return kind(*[values[name] for name in names])


@pytest.mark.parametrize("kind", ALL)
def test_an_error_keeps_its_type_and_all_it_says_through_pickle(kind: type[TrimindError]) -> None:
    error = made(kind)

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is kind
    assert vars(again) == vars(error)
    assert again.args == error.args
    assert again.message == "What happened."


@pytest.mark.parametrize("kind", ALL)
def test_the_message_is_for_people(kind: type[TrimindError]) -> None:
    assert kind.__doc__
    assert made(kind).message in str(made(kind))


def test_a_code_belongs_to_one_error_alone() -> None:
    codes = [kind.code for kind in ALL if kind.code != "internal"]

    assert len(set(codes)) == len(codes)
    assert all(code.islower() and code.replace("_", "").isalpha() for code in codes)


def test_an_error_is_permanent_or_transient_and_never_both() -> None:
    for kind in set(ALL) - {TrimindError, Internal, PermanentError, TransientError, Conflict}:
        assert issubclass(kind, PermanentError) != issubclass(kind, TransientError), kind
        assert kind.code != "internal", kind
