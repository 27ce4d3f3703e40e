"""The commands of `trimind`, with a running stack and without any configuration."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import httpx
import pytest

from .conftest import Stack

Trimind = Callable[..., CompletedProcess[str]]
SERVICES = {"model", "redis", "postgres", "web", "worker", "cpu", "flower"}


@pytest.fixture
def empty(tmp_path: Path) -> dict[str, str]:
    """An environment whose data folder is empty."""
    return {"TRIMIND_HOME": str(tmp_path / "home")}


def test_help_names_every_command(trimind: Trimind) -> None:
    shown = trimind("--help").stdout
    for command in (
        "up",
        "status",
        "ask",
        "job",
        "jobs",
        "key",
        "user",
        "usage",
        "audit",
        "prune",
        "backup",
        "restore",
        "db",
        "models",
        "doctor",
    ):
        assert f"\n  {command} " in shown


def test_status_shows_what_runs(stack: Stack) -> None:
    told = json.loads(stack.trimind("status", "--json").stdout)
    assert told["url"] == stack.url
    assert told["demo_key_file"] == str(stack.home / "demo-key")
    healthy = {s["name"]: s["pid"] for s in told["services"] if s["state"] == "healthy"}
    assert set(healthy) >= SERVICES
    assert all(Path(f"/proc/{pid}").exists() for pid in healthy.values())


def test_status_is_readable_too(stack: Stack) -> None:
    shown = stack.trimind("status")
    assert shown.returncode == 0
    assert stack.url in shown.stdout
    assert str(stack.home / "demo-key") in shown.stdout


def test_status_says_how_to_start_what_does_not_run(
    trimind: Trimind, empty: dict[str, str]
) -> None:
    shown = trimind("status", **empty)
    assert shown.returncode == 1
    assert "trimind up" in shown.stdout
    assert json.loads(trimind("status", "--json", **empty).stdout)["url"] is None


def test_ask_shows_the_stages_the_answer_and_the_receipt(stack: Stack) -> None:
    asked = stack.trimind("ask", "What is the capital of Italy?")
    assert asked.returncode == 0, asked.stderr
    for part in ("intent    completed", "generate  completed", "receipt:", "US$"):
        assert part in asked.stderr
    job = asked.stderr.split()[0]
    shown = json.loads(stack.trimind("job", "show", "--json", job).stdout)
    assert asked.stdout == f"{shown['output']}\n"


def test_ask_goes_on_with_a_conversation_and_another_mind(stack: Stack) -> None:
    first = json.loads(stack.trimind("ask", "--json", "--mind", "maker", "Hello!").stdout)
    options = ("--mind", "maker", "--conversation", first["conversation_id"])
    second = json.loads(stack.trimind("ask", "--json", *options, "And now?").stdout)
    assert first["mind"] == second["mind"] == "maker"
    assert second["conversation_id"] == first["conversation_id"]
    assert second["status"] == "completed"


def test_ask_takes_the_address_and_the_key_of_the_environment(
    stack: Stack, trimind: Trimind, empty: dict[str, str]
) -> None:
    there = {"TRIMIND_URL": stack.url, "TRIMIND_API_KEY": stack.key}
    assert trimind("ask", "Hello!", **there, **empty).returncode == 0


def test_the_demo_key_is_sent_to_no_other_address(stack: Stack) -> None:
    asked = stack.trimind("ask", "Hello!", TRIMIND_URL="http://127.0.0.1:9")
    assert asked.returncode == 1
    assert "TRIMIND_API_KEY" in asked.stderr


def test_ask_without_a_stack_says_what_to_do(trimind: Trimind, empty: dict[str, str]) -> None:
    asked = trimind("ask", "Hello!", **empty)
    assert asked.returncode == 1
    assert "trimind up" in asked.stderr
    assert "Traceback" not in asked.stderr


def test_ask_passes_a_refusal_on(stack: Stack) -> None:
    asked = stack.trimind("ask", "--mind", "nobody", "Hello!")
    assert asked.returncode == 1
    assert "nobody" in asked.stderr
    assert "Traceback" not in asked.stderr


def test_job_show_shows_a_job_again(stack: Stack) -> None:
    job = stack.answered("What is the capital of Norway?")
    shown = stack.trimind("job", "show", job["id"]).stdout
    assert job["output"].splitlines()[0] in shown
    assert "receipt:" in shown
    assert json.loads(stack.trimind("job", "show", "--json", job["id"]).stdout) == job


def test_job_show_does_not_know_another_ones_job(stack: Stack) -> None:
    shown = stack.trimind("job", "show", "job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC")
    assert shown.returncode == 1
    assert "not_found" in shown.stderr


def test_a_created_key_opens_the_api_for_its_user_alone(stack: Stack) -> None:
    key = stack.trimind("key", "create", "--user", "bob", "--name", "laptop").stdout.strip()
    headers = {"Authorization": f"Bearer {key}"}
    found = httpx.get(f"{stack.url}/v1/jobs", headers=headers, trust_env=False)
    assert (found.status_code, found.json()["data"]) == (200, [])


def test_the_doctor_finds_a_serving_stack_well(stack: Stack) -> None:
    found = stack.trimind("doctor", "--json")
    told = json.loads(found.stdout)
    states = {check["name"]: check["state"] for check in told["checks"]}
    wrong = [check for check in told["checks"] if check["state"] in ("missing", "wrong")]
    assert (found.returncode, told["ok"], wrong) == (0, True, [])
    for name in (
        *("python", "secret", "postgresql", "redis", "broker", "clocks", "connections"),
        *("workers", "queues", "models", "flower"),
    ):
        assert states[name] == "ok"


def test_the_doctor_tells_an_empty_machine_what_to_set(
    trimind: Trimind, empty: dict[str, str]
) -> None:
    found = trimind("doctor", **empty)
    assert found.returncode == 1
    assert "Traceback" not in found.stderr
    for name in ("DATABASE_URL", "REDIS_URL", "SHARED_SECRET", "OPENAI_API_KEY", "trimind up"):
        assert name in found.stdout


def test_the_doctor_names_a_database_that_does_not_answer(
    trimind: Trimind, empty: dict[str, str]
) -> None:
    url = "postgresql://somebody:hidden-word@127.0.0.1:9/nothing"
    checks = json.loads(trimind("doctor", "--json", DATABASE_URL=url, **empty).stdout)["checks"]
    found = next(check for check in checks if check["name"] == "postgresql")
    assert found["state"] == "missing"
    assert "127.0.0.1:9" in found["found"]
    assert "hidden-word" not in found["found"]


def test_the_doctor_names_a_broker_that_does_not_answer(
    trimind: Trimind, empty: dict[str, str]
) -> None:
    shown = trimind(
        "doctor",
        DATABASE_URL="postgresql://127.0.0.1:9/nothing",
        REDIS_URL="redis://127.0.0.1:9",
        BROKER_URL="amqp://127.0.0.1:9",
        SHARED_SECRET="x" * 40,
        **empty,
    )
    assert shown.returncode == 1
    assert "Traceback" not in shown.stderr
    assert "BROKER_URL" in shown.stdout


def test_ask_reads_standard_input(stack: Stack) -> None:
    asked = stack.trimind("ask", "Summarize:", "-", given="Rivers flow to the sea.")
    assert asked.returncode == 0, asked.stderr
    job = asked.stderr.split()[0]
    headers = {"Authorization": f"Bearer {stack.key}"}
    prompt = httpx.get(f"{stack.url}/v1/jobs/{job}/prompt", headers=headers, trust_env=False)
    assert prompt.json()["original"] == "Summarize:\n\nRivers flow to the sea."


def test_ask_without_a_message_says_how_to_ask(stack: Stack) -> None:
    asked = stack.trimind("ask", given="")
    assert asked.returncode == 2
    assert "Nothing to ask" in asked.stderr


def test_jobs_are_listed_followed_cancelled_and_retried(stack: Stack) -> None:
    job = stack.answered("What is the capital of Spain?")
    assert job["id"] in stack.trimind("job", "list").stdout
    followed = stack.trimind("job", "follow", job["id"])
    assert followed.stdout == f"{job['output']}\n"
    assert stack.trimind("job", "cancel", job["id"]).returncode == 1
    retried = stack.trimind("job", "retry", job["id"])
    assert "already been answered" in retried.stderr
