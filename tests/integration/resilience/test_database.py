"""The database's breaker: only the absence of PostgreSQL opens it, and Redis is not asked."""

import threading
import time
from collections.abc import Mapping

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from models.errors import Superseded
from tasks.policies import PERSIST
from tasks.resilience.breaker import reset_all
from tasks.resilience.database import patiently


def do(work: object) -> object:
    return patiently(work, time.monotonic() + 5, threading.Event())  # type: ignore[arg-type]


def violate(session: Session) -> None:
    session.execute(text("INSERT INTO users (id) VALUES (NULL)"))


def misspell(session: Session) -> None:
    session.execute(text("SELEKT 1"))


def drop(session: Session) -> None:
    raise Superseded("cancelled")


@pytest.mark.parametrize(
    ("work", "error"), [(violate, IntegrityError), (misspell, ProgrammingError), (drop, Superseded)]
)
def test_an_error_of_the_application_does_not_open_it(
    backends: Mapping[str, str], work: object, error: type[Exception]
) -> None:
    reset_all()
    for _ in range(PERSIST.breaker.failures * 2):
        with pytest.raises(error):
            do(work)
    assert do(lambda session: session.scalar(text("SELECT 1"))) == 1
