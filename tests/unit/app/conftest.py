"""The application without any server behind it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.factory import create_app
from config.minds import get_minds
from config.settings import get_settings
from models.session import get_engine

# Port 9 is discard: no server answers there.
ENVIRONMENT = {
    "DATABASE_URL": "postgresql://trimind@127.0.0.1:9/trimind",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SHARED_SECRET": "s" * 32,
    "EMBEDDED_MODEL_URL": "http://127.0.0.1:9",
    "MAX_MESSAGE_CHARS": "1000",
}


@contextmanager
def _settled(patch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in ENVIRONMENT.items():
        patch.setenv(name, value)
    _forget()
    yield
    _forget()


def _forget() -> None:
    """Dispose of the process's engine, which later tests with a server must not use."""
    for engine in get_engine.cache_clear():
        engine.dispose()
    get_settings.cache_clear()
    get_minds.cache_clear()


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings of a process without servers."""
    with _settled(monkeypatch):
        yield


@pytest.fixture
def app(settled: None) -> Flask:
    """An application of the test's own, to which it may add calls."""
    return create_app()


@pytest.fixture(scope="session")
def shared_app() -> Flask:
    """The application, created once: that takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch, _settled(patch):
        return create_app()


@pytest.fixture
def client(settled: None, shared_app: Flask) -> FlaskClient:
    return shared_app.test_client()
