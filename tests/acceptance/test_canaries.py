"""No secret and no word of a message or an answer is where operators look: in the log of any
process, in Flower, in Celery's events, in the metrics, in the audit log.

The shared stack logs all it can.
"""

import base64
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from redis import Redis
from redis.client import PubSub
from standardwebhooks import Webhook

from app.cli.local.running import Running

from ..integration.receiver import Receiver, receiving
from ..issuer import Issuer, rsa_key
from .conftest import CLERK_SECRET, FlowerPage, Stack

Until = Callable[..., None]

STAGES = ("intent", "compress", "generate", "persist")
PROCESSES = {"trimind", "release", "postgres", "redis", "web", "worker", "cpu", "flower"}
TABLE = {
    "draw": 1, "start": 0, "length": 10_000, "search[value]": "",
    "columns[0][data]": "name", "order[0][column]": "0", "order[0][dir]": "asc",
}  # fmt: skip
# Part of no word, name or number that a log may rightly show.
CLEAR = re.compile(r"[A-Za-z][A-Za-z ,']{18,}[A-Za-z]")


@dataclass
class World:
    """What must not be seen of what passes through the stack, by its name."""

    stack: Stack
    issuer: Issuer
    environment: dict[str, str]
    canaries: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    job: dict[str, Any] = field(default_factory=dict)

    def client(self, key: str = "", **headers: str) -> httpx.Client:
        headers |= {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.stack.url, headers=headers, timeout=60, trust_env=False)

    def seen_in(self, text: str) -> list[str]:
        """The names of the canaries that a text shows."""
        return [name for name, canary in self.canaries.items() if canary in text]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def world(stack: Stack, issuer: Issuer, receiver: Receiver, too_long: dict[str, Any]) -> World:
    """A stack through which all kinds of secrets and messages have passed, good and bad ones."""
    running = Running.of({"TRIMIND_HOME": str(stack.home)})
    made = World(stack, issuer, running.environment())
    kept = json.loads((stack.home / "secrets.json").read_text())
    made.canaries |= {
        f"the {name}": secret.partition(":")[2] or secret for name, secret in kept.items()
    }
    made.canaries |= {
        "the secret of Clerk's events": CLERK_SECRET.removeprefix("whsec_"),
        "the demo key": stack.key.removeprefix("tm_"),
        "the message that fits no model": "108997 108998",
    }
    with Redis.from_url(made.environment["REDIS_URL"]) as redis, redis.pubsub() as pubsub:
        pubsub.psubscribe("*celeryev*")
        assert pubsub.get_message(timeout=30)
        change_access(made, receiver)
        sign_in(made)
        send_wrong_keys(made)
        send_users_events(made)
        hear(pubsub, made)
    return made


def change_access(world: World, receiver: Receiver) -> None:
    """Webhooks and keys are made and changed, and a message is answered."""
    with world.client(world.stack.key) as client:
        hook = client.post("/v1/webhooks", json={"url": receiver.url}).json()
        world.canaries["a webhook's secret"] = hook["secret"].removeprefix("whsec_")
        path = f"/v1/webhooks/{hook['id']}"
        changed = client.post(f"{path}/rotate-secret", json={}).json()
        world.canaries["a webhook's next secret"] = changed["secret"].removeprefix("whsec_")
        key = client.post("/v1/keys", json={"scopes": ["jobs:read", "jobs:write"]}).json()
        world.canaries["a new key"] = key["key"].removeprefix("tm_")
        rotated = client.post(f"/v1/keys/{key['id']}/rotate", json={}).json()
        world.canaries["a rotated key"] = rotated["key"].removeprefix("tm_")
        with world.client(rotated["key"]) as other:
            world.job = answered(world, other)
        deadline = time.monotonic() + 30
        while not receiver.requests and time.monotonic() < deadline:
            time.sleep(0.05)
        assert receiver.requests
        for request in receiver.requests:
            signatures = request.headers["webhook-signature"].split()
            world.canaries |= {f"a webhook's {each[:9]}": each[3:] for each in signatures}
        client.delete(path)


def answered(world: World, client: httpx.Client) -> dict[str, Any]:
    """A job's end, which is followed with a stream token, a good one and a wrong one."""
    word = f"kanarienvogel{secrets.token_hex(6)}"
    # Long enough that the cpu worker compresses it.
    message = f"The old town has a river, and by the river sits a {word}. " * 30
    job = client.post("/v1/jobs", json={"message": message}).json()
    token = client.post(f"/v1/jobs/{job['id']}/stream-token").json()
    with world.client() as browser:
        assert "job.completed" in browser.get(token["url"]).text
        assert browser.get(token["url"][:-3]).status_code == 401
    ended: dict[str, Any] = client.get(f"/v1/jobs/{job['id']}").json()
    words = CLEAR.search(ended["output"])
    assert words, ended["output"]
    title = client.get(f"/v1/conversations/{job['conversation_id']}").json()["title"]
    world.canaries |= {
        "the message": word,
        "the title": title[:20],
        "the answer": words[0],
        "a stream token": token["token"].rpartition(".")[2],
    }
    return ended


def sign_in(world: World) -> None:
    """By a JWT, as a browser, and by JWTs that are refused."""
    user = f"user-{secrets.token_hex(8)}"
    good = world.issuer.token(user)
    tokens = {
        "a JWT": good,
        "a forged JWT": world.issuer.signed(world.issuer.claims(user), rsa_key("thief")),
        "an expired JWT": world.issuer.token(user, exp=int(time.time()) - 3600),
        "another issuer's JWT": world.issuer.token(user, iss="https://evil.example.com"),
    }
    for name, token in tokens.items():
        _, claims, signature = token.split(".")
        world.canaries |= {name: signature, f"the claims of {name}": claims}
        with world.client(token) as client:
            assert client.get("/v1/jobs").status_code == (200 if token == good else 401), name
    with world.client() as browser:
        signed_in = browser.post("/v1/session", json={"key": good})
        assert signed_in.status_code == 201
        cookie = signed_in.headers["Set-Cookie"].split(";")[0].partition("=")[2]
        world.canaries["a session"] = cookie.removeprefix("tms_")
        world.canaries["a CSRF token"] = signed_in.json()["csrf_token"]


def send_wrong_keys(world: World) -> None:
    for prefix in ("tm_", "tms_", "tmst_", "tml_", "sk-", "whsec_", ""):
        canary = secrets.token_urlsafe(32)
        world.canaries[f"a wrong key {prefix}"] = canary
        with world.client(prefix + canary) as client:
            assert client.get("/v1/jobs").status_code == 401
            assert client.post("/v1/session", json={"key": prefix + canary}).status_code == 401


def send_users_events(world: World) -> None:
    """One with a signature that is right, and one with a wrong one."""
    wrong = f"whsec_{secrets.token_hex(24)}"
    body = json.dumps({"type": "user.created", "data": {"id": f"user-{secrets.token_hex(8)}"}})
    for secret, status in ((CLERK_SECRET, 204), (wrong, 401)):
        now = datetime.now(UTC)
        signature = Webhook(secret).sign("msg_1", now, body)
        world.canaries[f"a signature answered {status}"] = signature.partition(",")[2]
        headers = {
            "svix-id": "msg_1",
            "svix-timestamp": str(int(now.timestamp())),
            "svix-signature": signature,
            "Content-Type": "application/json",
        }
        with world.client(**headers) as client:
            answer = client.post("/v1/incoming/clerk", content=body)
            assert answer.status_code == status, answer.text


def hear(pubsub: PubSub, world: World) -> None:
    """Collect Celery's events, until those of the job have arrived."""
    awaited = {f"{world.job['id']}.1.{stage}" for stage in STAGES}
    deadline = time.monotonic() + 30
    while awaited and time.monotonic() < deadline:
        message = pubsub.get_message(ignore_subscribe_messages=True, timeout=1)
        if message is None:
            continue
        sent = json.loads(message["data"])
        assert sent["properties"]["body_encoding"] == "base64"
        events = json.loads(base64.b64decode(sent["body"]))
        world.events += events if isinstance(events, list) else [events]
        awaited -= {e.get("uuid") for e in world.events if e["type"] == "task-succeeded"}


def test_nothing_of_it_is_in_a_log(world: World) -> None:
    output = world.stack.output
    # Printed on purpose: the first answer, and the link that signs a browser in.
    lines = [line for line in output.splitlines() if "#sign-in=" not in line]

    assert {line.partition("|")[0].strip() for line in lines} >= PROCESSES
    for process in ("web", "worker", "cpu"):
        assert any(line.startswith(process) and world.job["id"] in line for line in lines)
    assert [line for line in lines if world.seen_in(line)] == []


def test_nothing_of_it_is_in_celerys_events(world: World) -> None:
    heard = [json.dumps(event, default=str) for event in world.events]

    assert sum(world.job["id"] in event for event in heard) >= 3 * len(STAGES)
    assert [event for event in heard if world.seen_in(event)] == []


def test_nothing_of_it_is_in_flower(world: World, flower: FlowerPage, until: Until) -> None:
    tasks = [f"{world.job['id']}.1.{stage}" for stage in STAGES]
    until(lambda: flower.task(world.job, "persist").get("state") == "SUCCESS")
    paths = ["/", "/workers", "/tasks", "/broker", "/metrics", "/api/tasks?limit=10000"]
    paths += ["/api/queues/length", "/api/workers"]
    paths += [f"/worker/{name}" for name in flower.ask("/api/workers").json()]
    paths += [path for task in tasks for path in (f"/task/{task}", f"/api/task/info/{task}")]
    pages = {path: flower.ask(path) for path in paths}
    pages["table"] = flower.ask("/tasks/datatable", "POST", data=TABLE)

    assert {page.status_code for page in pages.values()} == {200}
    assert all(task in pages["/api/tasks?limit=10000"].text for task in tasks)
    assert {path: seen for path, page in pages.items() if (seen := world.seen_in(page.text))} == {}


def test_nothing_of_it_is_in_the_metrics(world: World) -> None:
    with world.client(world.environment["SHARED_SECRET"]) as prometheus:
        shown = prometheus.get("/metrics")

    assert shown.status_code == 200
    assert "trimind_jobs" in shown.text
    assert world.seen_in(shown.text) == []


def test_nothing_of_it_is_in_the_audit_log(world: World) -> None:
    url = world.environment["DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT to_jsonb(entry)::text FROM audit_log AS entry"
        ).fetchall()
    entries = [text for (text,) in found]

    assert {json.loads(text)["action"] for text in entries} >= {"key.created", "webhook.created"}
    assert [text for text in entries if world.seen_in(text)] == []
