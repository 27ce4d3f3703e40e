"""PostgreSQL and Redis for what is measured in this process."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.settings import get_settings
from deploy.embedded.backends import Backends
from models.schema import upgrade


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is removed at the end; PostgreSQL's own user may enter it."""
    home = Path(tempfile.mkdtemp(prefix="trimind-bench-", dir="/tmp"))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home)


@contextmanager
def servers() -> Iterator[Backends]:
    """The servers, without a table; the settings of this process name them."""
    with folder() as home, Backends(home, {"EMBEDDED_MODEL_URL": "http://127.0.0.1:9"}) as backends:
        os.environ.update(backends.environment())
        yield backends


@contextmanager
def database() -> Iterator[Backends]:
    """The servers, with the tables in them; the settings of this process name them."""
    with servers() as backends:
        upgrade()
        yield backends


def url() -> str:
    """The database's URL for psycopg."""
    return get_settings().database_url.get_secret_value().replace("+psycopg", "")
