"""Databases that are no plain primary: behind a pooler in transaction mode, or read-only."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from models.connection import open_engine
from models.session import get_engine
from tests.integration.pooler import pooled


@pytest.fixture(scope="module")
def pooler(backends: Mapping[str, str]) -> Iterator[str]:
    """The URL of a PgBouncer with two server connections."""
    with pooled(backends["DATABASE_URL"], size=2) as url:
        yield url


def test_many_clients_share_few_connections_of_a_pooler(pooler: str) -> None:
    engine = open_engine(pooler, pool_size=8, max_overflow=0)

    def work(number: int) -> tuple[object, ...]:
        with engine.begin() as connection:
            shown = connection.execute(
                text(
                    "SELECT current_setting('statement_timeout'), "
                    "current_setting('idle_in_transaction_session_timeout'), CAST(:n AS int)"
                ),
                {"n": number},
            )
            return tuple(shown.one())

    with ThreadPoolExecutor(8) as threads:
        for number, done in enumerate(threads.map(work, range(200))):
            assert done == ("30s", "1min", number)
    with engine.begin() as connection:
        prepared = connection.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
    engine.dispose()
    assert prepared == 0


def test_a_plain_server_keeps_its_statements_prepared(backends: Mapping[str, str]) -> None:
    engine = open_engine(backends["DATABASE_URL"], pool_size=1)
    for _ in range(8):
        with engine.begin() as connection:
            connection.execute(text("SELECT CAST(:n AS int)"), {"n": 1})
            timeout = connection.scalar(text("SHOW statement_timeout"))
            prepared = connection.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
    engine.dispose()
    assert timeout == "30s"
    assert prepared


def test_what_the_url_says_wins_over_our_own(backends: Mapping[str, str]) -> None:
    url = backends["DATABASE_URL"] + (
        "&application_name=mine&options=-c%20statement_timeout%3D7s%20-c%20work_mem%3D5MB"
    )
    engine = open_engine(url, pool_size=1)
    with engine.begin() as connection:
        names = ("application_name", "statement_timeout", "work_mem")
        shown = [connection.scalar(text(f"SHOW {name}")) for name in names]
    engine.dispose()
    assert shown == ["mine", "7s", "5MB"]


def test_sixty_messages_at_once_through_a_pooler_are_accepted(serve, pooler) -> None:
    client = serve(DATABASE_URL=pooler)
    with ThreadPoolExecutor(16) as threads:
        answers = list(
            threads.map(lambda n: client.post("/v1/jobs", json={"message": f"{n}"}), range(60))
        )
        assert [answer.status_code for answer in answers] == [202] * 60
        reads = list(threads.map(lambda a: client.get(a.headers["Location"]), answers))
    assert {read.status_code for read in reads} == {200}
    assert client.get("/readyz").json()["checks"]["database"] == "ok"


def test_a_read_only_server_is_unavailable_until_a_primary_is_back(
    serve, quietly, backends: Mapping[str, str], until: Callable[..., None]
) -> None:
    with quietly(backends) as environment:
        client = serve(DATABASE_URL=environment["DATABASE_URL"])
        assert client.post("/v1/jobs", json={"message": "before"}).status_code == 202
        name = environment["DATABASE_URL"].split("/")[-1].split("?")[0]

        def set_read_only(state: str) -> None:
            # Sessions that are open keep their mode: as at a failover they are cut off.
            engine = get_engine().execution_options(isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.exec_driver_sql("SET default_transaction_read_only = off")
                connection.exec_driver_sql(
                    f"ALTER DATABASE {name} SET default_transaction_read_only = {state}"
                )
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    f"WHERE datname = '{name}' AND pid <> pg_backend_pid()"
                )
            get_engine().dispose()

        set_read_only("on")
        refused = client.post("/v1/jobs", json={"message": "meanwhile"})
        until(lambda: client.get("/readyz").status_code == 503)
        ready = client.get("/readyz").json()
        set_read_only("off")
        after = client.post("/v1/jobs", json={"message": "after"})

    assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
    assert "Retry-After" in refused.headers
    assert ready["checks"]["database"] == "read_only"
    assert after.status_code == 202
