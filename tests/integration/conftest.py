"""Real PostgreSQL and Valkey for a whole session of tests, and the environment that names them."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from config.minds import get_minds
from config.settings import get_settings
from deploy.embedded.backends import Backends
from models.database import upgrade
from models.session import get_engine

# No model is asked for anything here: the address only has to stand in for a provider's key.
NO_MODEL = {"EMBEDDED_MODEL_URL": "http://127.0.0.1:9"}


@pytest.fixture(scope="session")
def backends() -> Iterator[Mapping[str, str]]:
    """The environment of a process that uses the session's PostgreSQL and Valkey; migrated.

    This process has it too. Tests share the database: they tell their rows apart by `external_id`.
    """
    home = Path(tempfile.mkdtemp(prefix="trimind-tests-", dir="/tmp"))
    home.chmod(0o755)  # PostgreSQL's own user must be able to enter
    with pytest.MonkeyPatch.context() as patch, Backends(home, NO_MODEL) as running:
        environment = NO_MODEL | running.environment()
        for name, value in environment.items():
            patch.setenv(name, value)
        _forget_settings()
        upgrade()
        yield {**os.environ, **environment}
        get_engine().dispose()
        _forget_settings()
    shutil.rmtree(home)


@pytest.fixture
def external_id() -> str:
    """A user of this test alone."""
    return f"user-{secrets.token_hex(8)}"


def _forget_settings() -> None:
    for cached in (get_settings, get_minds, get_engine):
        cached.cache_clear()
