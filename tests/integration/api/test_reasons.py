"""The reasons in `/readyz`: why a server can't be used, without secrets."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text

from app.ops.readiness import State, check_broker, check_database, check_redis
from config.settings import get_settings
from models.session import get_engine

Variables = Callable[..., None]


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[Variables]:
    """`variables(NAME=value)`: this process's settings for one test."""

    def change(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        get_settings.cache_clear()

    yield change
    monkeypatch.undo()
    get_settings.cache_clear()


@contextmanager
def role(options: str) -> Iterator[str]:
    """The name of a new PostgreSQL role with these options."""
    name = f"somebody_{secrets.token_hex(4)}"
    engine = get_engine().execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN {options}")
        yield name
        connection.exec_driver_sql(f"DROP ROLE {name}")


def test_a_user_that_is_not_known_and_a_database_that_is_not_there(
    backends: Mapping[str, str], variables: Variables
) -> None:
    said = conninfo_to_dict(backends["DATABASE_URL"].replace("+psycopg", ""))
    place = f"host={said['host']}" + (f"&port={said['port']}" if "port" in said else "")

    variables(DATABASE_URL=f"postgresql://stranger:hunter22@/{said['dbname']}?{place}")
    stranger = check_database(get_settings())
    variables(DATABASE_URL=f"postgresql://{said['user']}:hunter22@/elsewhere?{place}")
    elsewhere = check_database(get_settings())

    assert stranger == State(
        "unavailable", "the server rejects the user or password in DATABASE_URL"
    )
    assert elsewhere == State("unavailable", "the database named in DATABASE_URL does not exist")


def test_a_server_that_has_no_connection_free(
    backends: Mapping[str, str], variables: Variables
) -> None:
    said = conninfo_to_dict(backends["DATABASE_URL"].replace("+psycopg", ""))
    place = f"host={said['host']}" + (f"&port={said['port']}" if "port" in said else "")
    with role("CONNECTION LIMIT 0") as name:
        variables(DATABASE_URL=f"postgresql://{name}@/{said['dbname']}?{place}")
        full = check_database(get_settings())

    assert full.name == "unavailable"
    assert "DATABASE_POOL" in full.reason


def test_servers_that_are_nowhere(dead_address: str, variables: Variables) -> None:
    variables(
        DATABASE_URL=f"postgresql://a:hunter22@{dead_address}/x",
        REDIS_URL=f"redis://{dead_address}/0",
    )
    assert check_database(get_settings()).reason == "the connection was refused"
    assert check_redis(get_settings()).reason == "the connection was refused"

    unknown = "nowhere.invalid"
    variables(
        DATABASE_URL=f"postgresql://a:hunter22@{unknown}/x",
        REDIS_URL=f"redis://:hunter22@{unknown}/0",
        BROKER_URL=f"amqp://a:hunter22@{dead_address}//",
    )
    assert check_database(get_settings()).reason == "the host in DATABASE_URL can't be resolved"
    assert check_redis(get_settings()).reason == "the host in REDIS_URL can't be resolved"
    assert check_broker(get_settings()).reason == "the connection was refused"


def test_a_wrong_password_of_redis(backends: Mapping[str, str], variables: Variables) -> None:
    address = backends["REDIS_URL"].partition("@")[2]
    for user in (":hunter22@", "", "somebody:hunter22@"):
        variables(REDIS_URL=f"redis://{user}{address}")
        found = check_redis(get_settings())
        assert found == State("unavailable", "the server rejects the user or password in REDIS_URL")


def test_a_server_says_read_only_until_it_takes_writes(backends: Mapping[str, str]) -> None:
    engine = get_engine().execution_options(isolation_level="AUTOCOMMIT")
    with role("") as name:
        with engine.connect() as connection:
            connection.execute(text(f"ALTER ROLE {name} SET default_transaction_read_only = on"))
        said = conninfo_to_dict(backends["DATABASE_URL"].replace("+psycopg", ""))
        place = f"host={said['host']}" + (f"&port={said['port']}" if "port" in said else "")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATABASE_URL", f"postgresql://{name}@/{said['dbname']}?{place}")
            get_settings.cache_clear()
            found = check_database(get_settings())
    get_settings.cache_clear()

    assert found.name == "read_only"
    assert "takes no writes" in found.reason
