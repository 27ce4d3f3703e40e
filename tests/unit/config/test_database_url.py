"""`DATABASE_URL` is kept unchanged or refused with a reason, and never shows a password."""

import pytest

from config.database_url import place_of, read_database_url
from tests.fresh_python import FreshPython


@pytest.mark.parametrize(
    "rest",
    [
        "u:p%40ss@db/app",
        "u@h1,h2:5433/app?target_session_attrs=read-write",
        "u@[::1]:5432/app",
        "/app?host=/var/run/postgresql",
        "u:p@db/app?sslmode=verify-full&sslrootcert=/ca.pem&channel_binding=require",
        "u@db/app?options=-c%20search_path%3Dmine&connect_timeout=3&application_name=mine",
    ],
)
def test_what_libpq_understands_is_kept(rest: str) -> None:
    assert read_database_url(f"postgres://{rest}") == f"postgresql+psycopg://{rest}"


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("postgresql://u:p@db/app?pgbouncer=true", "pgbouncer"),
        ("postgresql://u:p@db/app?schema=public", "schema"),
        ("postgresql://u:p@db/app?connection_limit=5", "connection_limit"),
        ("postgresql://u:p@db/app?pool_timeout=5", "pool_timeout"),
        ("postgresql://u:p@db/app?prepareThreshold=0", "prepareThreshold"),
        ("postgresql+psycopg2://u:p@db/app", "psycopg2"),
        ("postgresql+asyncpg://u:p@db/app", "asyncpg"),
        ("postgresql://u:p@db:99999/app", "port"),
    ],
)
def test_what_would_be_lost_is_refused_by_its_name(url: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        read_database_url(url)


@pytest.mark.parametrize(
    "password", ["sec@ret", "sec/ret", "sec?ret", "sec#ret", "sec%ret", "s:e/c@ret"]
)
def test_a_password_that_is_not_percent_encoded_is_never_shown(password: str) -> None:
    with pytest.raises(ValueError, match="percent-encoded") as refused:
        read_database_url(f"postgresql://u:{password}@db/app")
    assert "sec" not in str(refused.value)
    assert "ret" not in str(refused.value)


def test_the_place_has_no_password() -> None:
    place = place_of("postgresql+psycopg://u:hidden@db:5433/app")
    assert place == "postgresql://u@db:5433/app"


@pytest.mark.parametrize(("process", "loaded"), [("flower", "False"), ("worker", "True")])
def test_only_a_process_with_a_database_loads_libpq(
    fresh_python: FreshPython, process: str, loaded: str
) -> None:
    script = (
        "import sys\n"
        "from config.database_url import read_database_url\n"
        "from config.process import name_process\n"
        f"name_process({process!r})\n"
        "read_database_url('postgresql://u:p@db/app')\n"
        "print('psycopg' in sys.modules)\n"
    )

    assert fresh_python(script, check=True).stdout == f"{loaded}\n"
