"""The API behind nginx with deploy/nginx/trimind.conf."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from app.auth.bearer import USER_HEADER
from deploy.embedded.ports import free_port
from tests.integration.nginx import client, running


@pytest.fixture
def web(serve) -> str:
    """The address of a web process; its heartbeats come every second."""
    address = f"127.0.0.1:{free_port()}"
    serve(BIND=address, HEARTBEAT_S="1")
    return address


@pytest.fixture
def who(backends, external_id) -> dict[str, str]:
    return {"Authorization": f"Bearer {backends['SHARED_SECRET']}", USER_HEADER: external_id}


@pytest.fixture
def proxied(web, who) -> Iterator[httpx.Client]:
    with running(web) as (address, _), client(address, **who) as asking:
        yield asking


def test_each_event_of_a_stream_arrives_while_the_job_goes_on(proxied):
    job = proxied.post("/v1/jobs", json={"message": "Hello!"}).json()
    with proxied.stream("GET", f"/v1/jobs/{job['id']}/events") as stream:
        lines = stream.iter_lines()
        assert next(line for line in lines if line.startswith("event:")) == "event: job.queued"
        # No worker runs: nothing comes but heartbeats, each by itself.
        assert next(line for line in lines if line.startswith(":"))
        proxied.post(f"/v1/jobs/{job['id']}/cancel")
        assert "event: job.cancelled" in lines


def test_a_wait_is_held_and_given_back(proxied):
    waited = proxied.post("/v1/jobs", json={"message": "Hi!"}, headers={"Prefer": "wait=2"})
    assert waited.status_code == 202
    assert waited.json()["status"] == "queued"


def test_a_body_that_is_too_long_is_refused_by_the_web_process_and_beyond_that_by_nginx(proxied):
    ours = proxied.post("/v1/jobs", json={"message": "x" * 900_000})
    assert (ours.status_code, ours.headers["Content-Type"]) == (413, "application/problem+json")
    theirs = proxied.post("/v1/jobs", json={"message": "x" * 2_000_000})
    assert (theirs.status_code, theirs.headers["Content-Type"]) == (413, "text/html")


def test_metrics_stay_inside_and_browsers_stay_with_https(proxied):
    assert proxied.get("/metrics").status_code == 404
    page = proxied.get("/")
    assert page.status_code == 200
    assert "max-age" in page.headers["Strict-Transport-Security"]


def test_a_web_process_that_is_away_is_passed_over(web, who, dead_address):
    with running(dead_address, web) as (address, _), client(address, **who) as asking:
        accepted = [asking.post("/v1/jobs", json={"message": "Hello!"}) for _ in range(4)]
        assert [each.status_code for each in accepted] == [202] * 4
        assert len(asking.get("/v1/jobs").json()["data"]) == 4


def test_a_post_that_a_dying_process_may_have_accepted_is_not_sent_to_another(web, who):
    with dying() as first, running(first, web) as (address, _), client(address, **who) as asking:
        answers = [asking.post("/v1/jobs", json={"message": "Hello!"}) for _ in range(2)]
        assert sorted(each.status_code for each in answers) == [202, 502]
        assert len(asking.get("/v1/jobs").json()["data"]) == 1


@contextmanager
def dying() -> Iterator[str]:
    """The address of a server that reads a request and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:  # the end of the test
                    return
                with connection:
                    connection.recv(65_536)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        host, port = listening.getsockname()
        yield f"{host}:{port}"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()
