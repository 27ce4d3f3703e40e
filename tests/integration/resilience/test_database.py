"""The database's breaker is opened only by an unavailable PostgreSQL, and needs no Redis."""

import time
from collections.abc import Mapping

import pytest
from redis import Redis
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from models.errors import DatabaseUnavailable, Superseded
from models.lifecycle.endings import cancel
from models.session import unit_of_work
from models.users import get_or_create_user
from tasks.jobs.cancel_channel import CHANNEL
from tasks.jobs.submission import Submission, accept
from tasks.policies import PERSIST
from tasks.resilience.breaker import reset_all
from tasks.resilience.transaction import run_transaction_with_retry

from ..commits import followed


def do(work: object) -> object:
    return run_transaction_with_retry(work, time.monotonic() + 5)  # type: ignore[arg-type]


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


def test_what_follows_the_commit_is_done_once_however_often_the_work_is_tried(
    backends: Mapping[str, str], external_id: str
) -> None:
    with unit_of_work() as session:
        user = get_or_create_user(session, external_id)
        job_id = accept(session, Submission(user, "Hello there")).id
    tries = iter([DatabaseUnavailable("lost"), None])

    def cancel_at_the_second_try(session: Session) -> bool:
        cancelled = cancel(session, job_id)
        if error := next(tries):
            raise error
        return cancelled

    with followed(), Redis.from_url(backends["REDIS_URL"], decode_responses=True) as redis:
        stops = redis.pubsub(ignore_subscribe_messages=True)
        stops.subscribe(CHANNEL)
        stops.get_message(timeout=5)  # the subscription is confirmed
        assert do(cancel_at_the_second_try)
        redis.publish(CHANNEL, "the next message")
        announced = [stops.get_message(timeout=5) for _ in range(2)]
    assert [message and message["data"] for message in announced] == [job_id, "the next message"]
