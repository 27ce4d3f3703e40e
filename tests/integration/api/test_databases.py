"""A database behind a pooler in transaction mode, and a read-only one."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from config.settings import get_settings
from models.connection import open_engine
from models.errors import DatabaseUnavailable
from models.jobs import STAGES, find_job
from models.lifecycle.endings import complete
from models.lifecycle.fence import Fence
from models.lifecycle.transitions import begin, checkpoint
from models.schema import upgrade
from models.session import get_engine, unit_of_work
from models.stage_record import StageRecord
from models.users import get_or_create_user
from tasks.jobs.submission import Submission, accept
from tests.integration.pooler import pooled

DONE: Final = StageRecord(status="completed")


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
                    "current_setting('idle_in_transaction_session_timeout'), "
                    "current_setting('enable_seqscan'), CAST(:n AS int)"
                ),
                {"n": number},
            )
            return tuple(shown.one())

    with ThreadPoolExecutor(8) as threads:
        for number, done in enumerate(threads.map(work, range(200))):
            assert done == ("30s", "15s", "off", number)
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


@pytest.fixture
def behind_pooler(pooler: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Connect this process through the pooler."""

    def forget() -> None:
        get_engine().dispose()
        get_settings.cache_clear()
        get_engine.cache_clear()

    forget()
    monkeypatch.setenv("DATABASE_URL", pooler)
    yield
    forget()
    monkeypatch.undo()


def test_jobs_go_through_all_stages_behind_a_pooler(behind_pooler: None, external_id: str) -> None:
    upgrade()  # the release step takes its lock there as well
    with unit_of_work() as session:
        user = get_or_create_user(session, external_id)

    def work(number: int) -> str | None:
        with unit_of_work() as session:
            job_id = accept(session, Submission(user, f"Hello {number}")).id
        for stage in STAGES:
            fence = Fence(job_id, 1, stage, uuid4())
            with unit_of_work() as session:
                begun = begin(session, fence)
                assert begun is not None
                assert begun.message == f"Hello {number}"
            with unit_of_work() as session:
                if stage == "persist":
                    assert complete(session, fence, DONE)
                else:
                    columns = {"answer": "Hi"} if stage == "generate" else {}
                    assert checkpoint(session, fence, DONE, columns)
        with unit_of_work() as session:
            job = find_job(session, user, job_id)
            return job.status if job else None

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(work, range(40))) == {"completed"}


def test_a_read_only_server_is_unavailable_until_a_primary_is_back(
    serve: Callable[..., httpx.Client], backends: Mapping[str, str], until: Callable[..., None]
) -> None:
    def set_read_only(state: str) -> None:
        engine = get_engine().execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("SET default_transaction_read_only = off")
            connection.exec_driver_sql(f"ALTER SYSTEM SET default_transaction_read_only = {state}")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        get_engine().dispose()

    def refuses() -> bool:
        answers.append(client.post("/v1/jobs", json={"message": "meanwhile"}))
        return answers[-1].status_code != 202

    answers: list[httpx.Response] = []
    client = serve()
    assert client.post("/v1/jobs", json={"message": "before"}).status_code == 202
    set_read_only("on")  # the connections that are open stay so, as at a failover
    try:
        until(refuses)
        until(lambda: client.get("/readyz").status_code == 503)
        ready = client.get("/readyz").json()
        with pytest.raises(DatabaseUnavailable), unit_of_work() as session:
            get_or_create_user(session, "somebody new")
    finally:
        set_read_only("off")

    assert answers[-1].status_code == 503
    assert answers[-1].json()["code"] == "database_unavailable"
    assert "Retry-After" in answers[-1].headers
    assert ready["checks"]["database"] == "read_only"
    until(lambda: client.post("/v1/jobs", json={"message": "after"}).status_code == 202)
    until(lambda: client.get("/readyz").json()["checks"]["database"] == "ok")
