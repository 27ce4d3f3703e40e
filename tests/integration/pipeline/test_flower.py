"""Flower in production: below a proxy's prefix, without `--conf`, and without a worker."""

import base64
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping

import httpx
import pytest
from flower.urls import handlers
from redis import Redis

from deploy.embedded.ports import free_port

Until = Callable[..., None]

AUTH = ("operator", "a-password-of-ours")
PREFIX = "/flower"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def routes() -> list[str]:
    """An example path of each of Flower's routes."""
    patterns = [h.regex.pattern if hasattr(h, "regex") else h[0] for h in handlers]
    paths = [re.sub(r"\(\.[*+]\)|\.\*", "llm", pattern).rstrip("$?") for pattern in patterns]
    return sorted({path if path.startswith("/") else f"/{path}" for path in paths})


@pytest.fixture(scope="module")
def broker(backends: Mapping[str, str]) -> str:
    """A Redis database of these tests' own."""
    return backends["REDIS_URL"].removesuffix("/0") + "/9"


@pytest.fixture(scope="module")
def flower(backends: Mapping[str, str], broker: str) -> Iterator[httpx.Client]:
    """A client of a Flower that is served below a prefix; it sends no password by itself."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tasks", "flower"],  # finds our settings by itself
        env={
            **backends,
            "REDIS_URL": broker,
            "FLOWER_BASIC_AUTH": ":".join(AUTH),
            "FLOWER_URL_PREFIX": PREFIX.strip("/"),
            "PORT": str(port),
        },
    )
    address = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
            yield client
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(autouse=True)
def up(flower: httpx.Client, until: Until) -> None:
    def answers() -> bool:
        try:
            return flower.get("/").status_code == 401
        except httpx.TransportError:
            return False

    until(answers, 60)


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_strangers_get_a_401_on_every_path(flower: httpx.Client, prefix: str) -> None:
    wrong = base64.b64encode(b"operator:wrong-password").decode()
    strange = [{}, {"Authorization": f"Basic {wrong}"}, {"Authorization": "Bearer x"}]
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    for path in (*routes(), "/flower", "//", "/%2e%2e/metrics", "/static/../metrics", "/events"):
        for headers in (*strange, upgrade):
            for method in METHODS:
                answer = flower.request(method, f"{prefix}{path}", headers=headers)
                assert answer.status_code == 401, (method, f"{prefix}{path}", headers)


@pytest.mark.parametrize("path", ["/", "/workers", "/tasks", "/broker", "/metrics", "/healthcheck"])
def test_its_pages_are_below_the_prefix_and_nowhere_else(flower: httpx.Client, path: str) -> None:
    assert flower.get(f"{PREFIX}{path}", auth=AUTH).status_code == 200
    assert flower.get(path, auth=AUTH).status_code == 404


def test_all_that_a_page_links_to_is_below_the_prefix(flower: httpx.Client) -> None:
    page = flower.get(f"{PREFIX}/tasks", auth=AUTH).text
    links = set(re.findall(r'(?:href|src)="(/[^"]*)"', page))
    assert len(links) > 5
    for link in links:
        assert link.startswith(f"{PREFIX}/")
        assert flower.get(link, auth=AUTH).status_code == 200


def test_nothing_can_be_changed_below_the_prefix_either(flower: httpx.Client) -> None:
    for path in ("/api/worker/shutdown/llm", "/api/task/revoke/x", "/api/task/send-task/intent"):
        assert flower.post(f"{PREFIX}{path}", auth=AUTH).status_code == 403


def test_it_shows_both_queues_with_all_their_lanes_even_if_no_worker_answers(
    flower: httpx.Client, broker: str
) -> None:
    with Redis.from_url(broker) as redis:
        for name in ("llm", "llm\x06\x163", "llm\x06\x166", "cpu\x06\x166"):
            redis.lpush(name, "{}")
        found = flower.get(f"{PREFIX}/api/queues/length", auth=AUTH).json()["active_queues"]
        redis.flushdb()
    assert {each["name"]: each["messages"] for each in found} == {"llm": 3, "cpu": 1}
