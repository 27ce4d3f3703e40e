"""The server as the Procfile starts it, with and without the servers that it needs."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from redis import Redis
from sqlalchemy import text

from models.schema import newest_version
from models.session import unit_of_work

HELLO = {"message": "hello"}
JOB_S = 3
CALLS = [
    ("POST", "/v1/jobs"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"),
    ("POST", "/v1/jobs/job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC/cancel"),
    ("POST", "/v1/conversations"),
    ("POST", "/api/chat"),
    ("GET", "/metrics"),
    ("GET", "/readyz"),
]


def test_the_server_accepts_a_job_and_its_chain_reaches_the_broker(serve, backends, until):
    client = serve()

    response = client.post("/v1/jobs", json=HELLO)

    assert response.status_code == 202
    chain = f"{response.json()['id']}.1.intent".encode()
    with Redis.from_url(backends["REDIS_URL"]) as redis:
        until(lambda: chain in b"".join(redis.lrange("llm", 0, -1)))
    assert client.get(response.headers["Location"]).json()["status"] == "queued"


def test_a_body_over_the_limit_is_refused_and_the_next_request_is_served(serve):
    client = serve(MAX_MESSAGE_CHARS="1000")

    refused = client.post("/v1/jobs", json={"message": "x" * 200_000})

    assert refused.status_code == 413
    assert refused.json()["code"] == "body_too_large"
    assert client.post("/v1/jobs", json=HELLO).status_code == 202


def test_a_body_over_the_limit_that_names_no_length_is_refused_as_well(serve):
    client = serve(MAX_MESSAGE_CHARS="1000")
    chunks = (b'{"message": "x"}' if n == 0 else b" " * 10_000 for n in range(20))

    refused = client.post("/v1/jobs", content=chunks, headers={"Content-Type": "application/json"})

    assert refused.status_code == 413
    assert client.get("/v1/jobs").json()["data"] == []


def test_a_slow_upload_holds_no_database_connection(serve, sockets):
    client = serve(DATABASE_POOL="1")
    client.get("/v1/jobs")
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(sockets[0])
        head = "".join(f"{name}: {value}\r\n" for name, value in client.headers.items())
        start = f"POST /v1/jobs HTTP/1.1\r\nHost: web\r\nContent-Length: 99\r\n{head}"
        slow.sendall(f"{start}Content-Type: application/json\r\n\r\n{{".encode())

        assert client.post("/v1/jobs", json=HELLO).status_code == 202


def test_without_the_broker_a_job_is_accepted_all_the_same(serve, dead_address):
    client = serve(REDIS_URL=f"redis://{dead_address}/0")
    started = time.monotonic()

    response = client.post("/v1/jobs", json=HELLO)

    assert response.status_code == 202
    assert time.monotonic() - started < JOB_S
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "degraded",
        "checks": {"database": "ok", "redis": "unavailable"},
        "reasons": {"redis": "the connection was refused"},
        "breakers": {},
        "misconfigured": {},
    }


def test_with_a_broker_that_is_full_a_job_is_accepted_all_the_same(serve, servers, backends):
    client = serve()
    with Redis.from_url(backends["REDIS_URL"]) as redis:
        try:
            redis.config_set("maxmemory", 1)
            response = client.post("/v1/jobs", json=HELLO)
        finally:
            redis.config_set("maxmemory", 0)

    assert response.status_code == 202
    assert client.get(response.headers["Location"]).json()["status"] == "queued"


def test_without_the_database_nothing_is_accepted_and_the_client_learns_when_to_retry(
    serve, dead_address, web_log
):
    client = serve(DATABASE_URL=f"postgresql://trimind:hunter22@{dead_address}/trimind")

    response = client.post("/v1/jobs", json=HELLO)

    assert response.status_code == 503
    assert response.headers["Content-Type"] == "application/problem+json"
    assert int(response.headers["Retry-After"]) >= 1
    assert response.json()["code"] == "database_unavailable"
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json()["checks"]["database"] == "unavailable"
    for method, path in CALLS:
        text = client.request(method, path, json=HELLO if method == "POST" else None).text
        for secret in ("hunter22", dead_address.split(":")[1], "Traceback", "psycopg", ".py"):
            assert secret not in text, path
    assert "hunter22" not in web_log.read_text()


def test_a_database_connection_that_was_closed_between_requests_is_replaced(client):
    """The replaced system closed it after every request, so the second one failed."""
    for _ in range(3):
        assert client.post("/v1/jobs", json=HELLO).status_code == 202
        with unit_of_work() as session:
            others = "pid <> pg_backend_pid() AND application_name LIKE 'trimind%'"
            session.execute(
                text(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}")
            )


def test_headers_are_spelled_as_everybody_spells_them(serve):
    """Some clients read them into a plain dictionary."""
    names = [name.decode() for name, _ in serve().post("/v1/jobs", json=HELLO).headers.raw]

    assert {"Location", "Content-Type", "X-Request-Id"} <= set(names)


def test_the_log_has_a_line_a_request_with_its_id_and_no_secret(serve, backends, web_log):
    client = serve(LOG_FORMAT="json")

    response = client.get("/v1/jobs?after=%00", headers={"X-Request-Id": "abc-1"})

    assert response.headers["X-Request-Id"] == response.json()["request_id"] == "abc-1"
    log = web_log.read_text()
    [line] = [line for line in log.splitlines() if '"path": "/v1/jobs"' in line]
    assert '"request_id": "abc-1"' in line
    assert '"status": 422' in line
    assert backends["SHARED_SECRET"] not in log


@pytest.fixture
def set_schema(backends) -> Iterator[Callable[[str | None], None]]:
    """`set_schema("9999")`: the schema has this version until the end of the test."""

    def change(version: str | None) -> None:
        with unit_of_work() as session:
            changed = text("UPDATE alembic_version SET version_num = :version")
            session.execute(changed, {"version": version})

    yield change
    change(newest_version())


def test_an_outdated_schema_is_not_ready(client, until, set_schema):
    def checks() -> dict:
        return client.get("/readyz").json["checks"]

    set_schema("0001")
    until(lambda: checks() == {"database": "schema_outdated", "redis": "ok"}, 5)
    assert client.get("/readyz").status_code == 503

    set_schema(newest_version())
    until(lambda: checks() == {"database": "ok", "redis": "ok"}, 5)
    assert client.get("/readyz").json["status"] == "ok"


def test_a_process_stays_ready_while_the_release_after_it_has_migrated(client, until, set_schema):
    set_schema("0001")
    until(lambda: client.get("/readyz").status_code == 503, 5)
    set_schema("9999")
    until(lambda: client.get("/readyz").status_code == 200, 5)


def test_a_flood_of_readiness_checks_opens_a_few_connections_only(serve, together):
    client = serve()
    client.get("/readyz")
    before = _connections_so_far()

    answers = together(100, lambda: client.get("/readyz").status_code)

    assert set(answers) == {200}
    assert _connections_so_far() - before < 20


def test_reads_that_went_well_do_not_fill_the_log(serve, web_log):
    client = serve(LOG_FORMAT="json")

    job = client.post("/v1/jobs", json=HELLO).json()
    assert client.get(f"/v1/jobs/{job['id']}").status_code == 200
    assert client.get("/v1/jobs/job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC").status_code == 404

    log = web_log.read_text()
    assert re.findall(r'"method": "(\w+)".*?"status": (\d+)', log) == [
        ("POST", "202"),
        ("GET", "404"),
    ]


def _connections_so_far() -> int:
    with unit_of_work() as session:
        query = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
        return session.execute(text(query)).scalar_one()


@pytest.mark.parametrize(
    ("name", "value"),
    [("SHARED_SECRET", ""), ("DATABASE_URL", ""), ("SHARED_SECRET", "short"), ("PORT", "http")],
)
def test_the_server_ends_by_the_name_of_the_variable_that_is_wrong(backends, name, value):
    ended = subprocess.run(
        [sys.executable, "-m", "app.server"],
        env={**backends, name: value},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert ended.returncode == 78
    assert re.search(rf"^{name}: ", ended.stderr, re.MULTILINE)
    assert "Traceback" not in ended.stderr
