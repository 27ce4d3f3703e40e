"""The application without any server behind it."""

from collections.abc import Iterator

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


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings of a process without servers."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    _forget()
    yield
    _forget()


def _forget() -> None:
    """Dispose of the process's engine, which later tests with a server must not use."""
    get_engine().dispose()
    for cached in (get_settings, get_minds, get_engine):
        cached.cache_clear()


@pytest.fixture
def app(settled: None) -> Flask:
    return create_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
