"""Outages don't flood the log: each cause is logged once a minute, and the end once."""

import logging

import pytest
import structlog
from redis import exceptions
from structlog.testing import LogCapture

from config.outages import Outages, RepeatFilter


@pytest.fixture
def said() -> LogCapture:
    return LogCapture()


@pytest.fixture
def outages(said: LogCapture) -> Outages:
    return Outages(structlog.wrap_logger(None, processors=[said]))


def test_a_cause_is_said_once_however_often_it_is_met(said: LogCapture, outages: Outages) -> None:
    for port in range(100):
        outages.note(
            "redis", exceptions.ConnectionError(f"Error 111 connecting to 127.0.0.1:{port}")
        )
        outages.note("redis", exceptions.ReadOnlyError("You can't write"), watcher="listener")

    assert [(line["event"], line["error"]) for line in said.entries] == [
        ("redis unavailable", "Error 111 connecting to 127.0.0.1:0"),
        ("redis unavailable", "You can't write"),
    ]


def test_the_end_is_said_once_when_the_last_watcher_is_back(
    said: LogCapture, outages: Outages
) -> None:
    for watcher in ("listener", "reconciler", "listener"):
        outages.note("redis", exceptions.ConnectionError("gone"), watcher=watcher)
    outages.clear("redis", "listener")
    assert len(said.entries) == 1

    outages.clear("redis", "reconciler")
    outages.clear("redis", "reconciler")

    assert [line["event"] for line in said.entries] == ["redis unavailable", "redis is back"]


def test_a_server_that_comes_and_goes_is_said_once_a_minute(
    said: LogCapture, outages: Outages
) -> None:
    for _ in range(50):
        outages.note("broker", exceptions.ConnectionError("gone"), watcher="reconciler")
        outages.clear("broker", "reconciler")

    assert [line["event"] for line in said.entries] == ["broker unavailable", "broker is back"]


def test_servers_are_distinguished(said: LogCapture, outages: Outages) -> None:
    outages.note("redis", exceptions.ConnectionError("gone"), watcher="listener")
    outages.note("database", exceptions.ConnectionError("gone"), watcher="reconciler")
    outages.clear("database", "reconciler")

    events = [line["event"] for line in said.entries]
    assert events == ["redis unavailable", "database unavailable", "database is back"]


def test_the_cause_of_an_error_is_what_is_said(said: LogCapture, outages: Outages) -> None:
    error = RuntimeError("PostgreSQL is unavailable.")
    error.__cause__ = OSError("Connection refused\nIs the server running?")

    outages.note("database", error)

    assert said.entries[0]["error"] == "Connection refused"


def test_a_library_may_say_once_a_minute_that_it_cannot_connect() -> None:
    template, wrapped = "cannot connect to %s", "lost"
    repeats = RepeatFilter(template, wrapped)

    def passes(message: str, *arguments: object) -> bool:
        return repeats.filter(
            logging.LogRecord("n", logging.ERROR, "", 0, message, arguments, None)
        )

    assert [passes(template, number) for number in range(3)] == [True, False, False]
    assert [passes("%s (%r)", wrapped, number) for number in range(3)] == [True, False, False]
    assert all(passes("another line") for _ in range(3))


def test_or_each_of_its_lines_once_a_minute() -> None:
    repeats = RepeatFilter()

    def passes(message: str, *arguments: object) -> bool:
        return repeats.filter(
            logging.LogRecord("n", logging.ERROR, "", 0, message, arguments, None)
        )

    assert [passes("retrying in %s", number) for number in range(3)] == [True, False, False]
    assert [passes("given up %s", "retrying in %s") for _ in range(2)] == [True, False]
