"""The API behind nginx with deploy/nginx/trimind.conf."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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


class Follower:
    """Follows a job as a browser's EventSource does: a stream that breaks off is resumed."""

    def __init__(self, asking: httpx.Client, job_id: str) -> None:
        self.events: list[tuple[str, str]] = []
        self.streams = 0
        self._asking, self._path = asking, f"/v1/jobs/{job_id}/events"

    def follow(self) -> None:
        """Read events until the job has ended."""
        while not self.events or self.events[-1][0] != "job.cancelled":
            self.streams += 1
            resumed = {"Last-Event-ID": self.events[-1][1]} if self.events else {}
            with self._asking.stream("GET", self._path, headers=resumed) as stream:
                assert stream.status_code == 200
                self._read(stream.iter_lines())

    def _read(self, lines: Iterator[str]) -> None:
        fields: dict[str, str] = {}
        for line in lines:
            if not line and "event" in fields:
                self.events.append((fields["event"], fields["id"]))
                fields = {}
            name, _, value = line.partition(": ")
            fields[name] = value


def test_a_stream_goes_on_at_the_other_process_when_its_own_ends(serve, servers, who, until):
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    for address in addresses:
        serve(BIND=address, HEARTBEAT_S="1")
    with running(*addresses) as (proxy, _), client(proxy, **who) as asking:
        job = asking.post("/v1/jobs", json={"message": "Hello!"}).json()
        followers = [Follower(asking, job["id"]) for _ in range(2)]  # nginx takes turns
        with ThreadPoolExecutor(2) as threads:
            ends = [threads.submit(each.follow) for each in followers]
            until(lambda: all(each.events for each in followers))
            servers[0].terminate()
            assert servers[0].wait(30) == 0
            until(lambda: sum(each.streams for each in followers) == 3)
            asking.post(f"/v1/jobs/{job['id']}/cancel")
            for end in ends:
                end.result(30)

    assert [name for name, _ in followers[0].events] == ["job.queued", "job.cancelled"]
    assert followers[0].events == followers[1].events


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
