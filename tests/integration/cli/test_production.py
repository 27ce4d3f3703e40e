"""`trimind doctor` on productions that are set up wrongly."""

import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis

from app.cli.doctor.secrets import is_guessable
from models.session import get_engine

from ...forks import ForkServer
from ..debian import unpacked

ROOT = Path(__file__).resolve().parents[3]

Examined = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def examined(backends: Mapping[str, str], web_forks: ForkServer, tmp_path: Path) -> Examined:
    """`examined(**variables)`: what the doctor finds with these variables, by name."""

    def examine(**variables: str) -> dict[str, dict[str, Any]]:
        environ = {**backends, "SHARED_SECRET": secrets.token_hex(32), **variables}
        command = ["python", "-m", "app.cli", "doctor", "--json"]
        if "LD_PRELOAD" in variables:
            new = [sys.executable, *command[1:]]
            done = subprocess.run(new, cwd=ROOT, env=environ, capture_output=True, text=True)
        else:
            done = web_forks.run(command, environ, tmp_path)
        report = json.loads(done.stdout)
        well = all(each["state"] in ("ok", "optional") for each in report["checks"])
        assert (report["ok"], done.returncode) == (well, 0 if well else 1)
        unwell = [each for each in report["checks"] if each["state"] in ("missing", "wrong")]
        assert all(each["to_do"] for each in unwell)
        return {each["name"]: each for each in report["checks"]}

    return examine


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SHARED_SECRET", "change-me-change-me-change-me-change-me"),
        ("SHARED_SECRET", "0" * 64),
        ("API_KEY_PEPPER", "my-secret-pepper"),
        ("FLOWER_BASIC_AUTH", "operator:password1"),
    ],
)
def test_a_secret_of_an_example_is_found(examined: Examined, variable: str, value: str) -> None:
    found = examined(**{variable: value})["secret"]
    assert (found["state"], found["found"]) == ("wrong", f"can be guessed: {variable}")
    assert value not in json.dumps(found)


def test_no_random_secret_is_taken_for_an_example() -> None:
    assert not [one for _ in range(1000) if is_guessable(one := secrets.token_urlsafe(32))]


@contextmanager
def configured(url: str, **values: str) -> Iterator[None]:
    with Redis.from_url(url, decode_responses=True) as redis:
        before = {name: redis.config_get(name)[name] for name in values}
        for name, value in values.items():
            redis.config_set(name, value)
        yield
        for name, value in before.items():
            redis.config_set(name, value)


def test_a_redis_that_evicts_keys_or_persists_nothing_is_found(
    backends: Mapping[str, str], examined: Examined
) -> None:
    url = backends["REDIS_URL"]
    assert examined()["redis"]["to_do"] is None
    with configured(url, **{"maxmemory-policy": "allkeys-lru"}):
        evicting = examined()["redis"]
    with configured(url, appendonly="no"):
        forgetting = examined()["redis"]
    assert evicting["state"] == "wrong"
    assert "noeviction" in evicting["to_do"]
    assert forgetting["state"] == "ok"
    assert "set appendonly to yes" in forgetting["to_do"]


def test_a_database_without_migrations_is_found(
    backends: Mapping[str, str], examined: Examined
) -> None:
    name = f"empty_{secrets.token_hex(4)}"
    with get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = backends["DATABASE_URL"].replace("/trimind?", f"/{name}?")
    found = examined(DATABASE_URL=url)["postgresql"]
    assert (found["state"], found["to_do"]) == ("missing", "run `trimind db upgrade`")


def test_too_few_connections_are_found(backends: Mapping[str, str], examined: Examined) -> None:
    well = examined()["connections"]
    assert (well["state"], well["to_do"]) == ("ok", None)
    role = f"few_{secrets.token_hex(4)}"
    plain = backends["DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 10")
        connection.execute(f"GRANT pg_read_all_data TO {role}")
    found = examined(DATABASE_URL=plain.replace("//trimind@", f"//{role}@"))
    assert found["connections"]["state"] == "wrong"
    assert "PostgreSQL allows 10" in found["connections"]["found"]
    assert "DATABASE_POOL" in found["connections"]["to_do"]


def test_clocks_that_are_apart_are_found(examined: Examined) -> None:
    assert examined()["clocks"]["state"] == "ok"
    files = unpacked("faketime", ("libfaketime",))
    [library] = files.glob("usr/lib/*/faketime/libfaketime.so.1")
    found = examined(LD_PRELOAD=str(library), FAKETIME="-1h")["clocks"]
    assert found["state"] == "wrong"
    assert found["found"].startswith("PostgreSQL's is 3600 s ahead of this machine's")


@pytest.fixture
def provider() -> Iterator[str]:
    """The address of a provider that accepts the key `sk-right`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers.get("Authorization"), self.headers.get("x-api-key")
            is_right = given in (("Bearer sk-right", None), (None, "sk-right"))
            is_known = self.path in ("/v1/models",)
            self.send_response((200 if is_right else 401) if is_known else 404)
            self.send_header("Connection", "close")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_refused_key_and_an_unreachable_provider_are_found(
    examined: Examined, provider: str
) -> None:
    addresses = {"OPENAI_API_BASE": f"{provider}/v1", "ANTHROPIC_API_BASE": provider}
    right = {"OPENAI_API_KEY": "sk-right", "ANTHROPIC_API_KEY": "sk-right"}
    assert examined(**addresses, **right)["providers"]["state"] == "ok"

    wrong = examined(**addresses, **right | {"ANTHROPIC_API_KEY": "sk-canary"})
    assert wrong["providers"]["state"] == "wrong"
    assert "anthropic refuses ANTHROPIC_API_KEY (401)" in wrong["providers"]["found"]
    assert "canary" not in json.dumps(wrong)

    away = examined(OPENAI_API_KEY="sk-right", OPENAI_API_BASE="http://127.0.0.1:9/v1")
    assert away["providers"]["state"] == "wrong"
    assert "openai at 127.0.0.1 is not reached" in away["providers"]["found"]


@pytest.mark.parametrize("value", ["sk-can\x01ary", "sk-canáry"])
def test_a_key_that_no_header_can_carry_is_found_and_not_shown(
    examined: Examined, provider: str, value: str
) -> None:
    found = examined(OPENAI_API_KEY=value, OPENAI_API_BASE=f"{provider}/v1")["providers"]
    assert (found["state"], found["to_do"]) == ("wrong", "fix OPENAI_API_KEY, restart the workers")
    assert "sk-" not in json.dumps(found)


@pytest.mark.parametrize(
    "wrong",
    [
        {"OPENAI_API_BASE": "http://[::1"},
        {"OPENAI_API_BASE": "https://provider.invalid", "HTTPS_PROXY": "http://u:canary@host:x"},
    ],
    ids=["address", "proxy"],
)
def test_a_malformed_address_of_a_provider_is_found(
    examined: Examined, wrong: dict[str, str]
) -> None:
    found = examined(OPENAI_API_KEY="sk-right", **wrong)["providers"]
    assert found["state"] == "wrong"
    assert "malformed" in found["found"]
    assert "canary" not in json.dumps(found)


def test_a_provider_on_this_machine_is_asked_without_a_proxy(
    examined: Examined, provider: str
) -> None:
    here = {"OPENAI_API_KEY": "sk-right", "OPENAI_API_BASE": f"{provider}/v1"}
    assert examined(HTTP_PROXY="http://127.0.0.1:9", **here)["providers"]["state"] == "ok"
