"""Flower requires a password, is read-only, and shows the true state of tasks."""

import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from flower.urls import handlers
from flower.views.tasks import TasksDataTable
from playwright.sync_api import Page, expect

from .conftest import FlowerPage, Stack

Until = Callable[..., None]


def _routes() -> list[tuple[str, type]]:
    """An example path of each of Flower's routes, with its handler."""
    plain = [(h.regex.pattern, h.handler_class) if hasattr(h, "regex") else h[:2] for h in handlers]
    return [(re.sub(r"\(\.[*+]\)|\.\*", "llm", p).rstrip("$?"), handler) for p, handler in plain]


PATHS = sorted({path if path.startswith("/") else f"/{path}" for path, _ in _routes()})
CHANGES = sorted(
    path for path, handler in _routes() if "post" in vars(handler) and path.startswith("/api")
)


def test_the_routes_are_the_ones_that_are_known_to_be_dangerous() -> None:
    assert {"/metrics", "/healthcheck", "/api/workers", "/static/llm"} <= set(PATHS)
    assert {"/api/worker/shutdown/llm", "/api/task/revoke/llm"} <= set(CHANGES)


@pytest.mark.parametrize("path", PATHS)
def test_no_path_answers_without_the_password(flower: FlowerPage, path: str) -> None:
    wrong = (flower.auth[0], "wrong-password")
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        assert flower.ask(path, method, auth=None).status_code == 401
        assert flower.ask(path, method, auth=wrong).status_code == 401


def test_a_refusal_says_how_to_come_in(flower: FlowerPage) -> None:
    assert flower.ask("/", auth=None).headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize("path", ["/", "/workers", "/tasks", "/broker", "/metrics", "/healthcheck"])
def test_its_pages_open_with_the_password(flower: FlowerPage, path: str) -> None:
    assert flower.ask(path).status_code == 200


def test_every_answer_has_security_headers_and_names_no_server(flower: FlowerPage) -> None:
    answers = [flower.ask(path) for path in ("/", "/metrics", "/static/js/flower.js", "/nowhere")]
    answers += [flower.ask("/", auth=None), flower.ask(CHANGES[0], "POST")]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 401, 403]
    for answer in answers:
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Server" not in headers


@pytest.mark.parametrize("path", ["/", "/tasks", "/broker"])
def test_its_pages_work_in_a_browser_and_load_nothing_from_elsewhere(
    flower: FlowerPage, page: Page, path: str
) -> None:
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    password = b64encode(":".join(flower.auth).encode()).decode()
    page.set_extra_http_headers({"Authorization": f"Basic {password}"})
    page.goto(f"{flower.url}{path}")
    expect(page.locator("table tbody tr td").first).to_be_visible()
    assert said == []
    assert [url for url in asked if not url.startswith(flower.url)] == []


@pytest.mark.parametrize("path", CHANGES)
def test_it_changes_nothing_even_for_who_knows_the_password(flower: FlowerPage, path: str) -> None:
    assert flower.ask(path, "POST").status_code == 403


def test_a_refused_shutdown_leaves_the_worker_serving(stack: Stack, flower: FlowerPage) -> None:
    [worker] = [name for name in flower.ask("/api/workers?refresh=1").json() if "llm@" in name]
    assert flower.ask(f"/api/worker/shutdown/{worker}", "POST").status_code == 403
    assert flower.ask(f"/api/worker/pool/grow/{worker}?n=2", "POST").status_code == 403
    assert stack.answered("Hello again!")["status"] == "completed"


def test_its_pages_offer_no_change(stack: Stack, flower: FlowerPage, until: Until) -> None:
    job = stack.answered("Good morning!")
    until(lambda: flower.task(job, "persist"))
    page = flower.ask(f"/task/{job['id']}.1.persist").text
    assert "persist" in page
    assert "Revoke" not in page
    assert "Terminate" not in page


def test_the_table_of_tasks_is_readable(flower: FlowerPage) -> None:
    assert TasksDataTable in {handler for _, handler in _routes()}
    asked = {"draw": 1, "start": 0, "length": 1, "search[value]": "", "order[0][column]": 0}
    asked |= {"columns[0][data]": "name", "order[0][dir]": "asc"}
    assert flower.ask("/tasks/datatable", "POST", data=asked).json()["data"]


def test_a_worker_shows_how_many_jobs_are_held(flower: FlowerPage, until: Until) -> None:
    def pools() -> list[dict[str, Any]]:
        workers: dict[str, Any] = flower.ask("/api/workers", params={"refresh": 1}).json()
        return [worker["stats"]["pool"] for worker in workers.values() if "stats" in worker]

    until(lambda: pools() and all(pool["held-jobs"] == 0 for pool in pools()))
    name = next(iter(flower.ask("/api/workers").json()))
    assert "Held jobs" in flower.ask(f"/worker/{name}").text


def test_the_four_tasks_of_an_answered_job_succeeded(
    stack: Stack, flower: FlowerPage, until: Until
) -> None:
    job = stack.answered("What is the capital of Spain?")

    def states() -> dict[str, str]:
        found: dict[str, Any] = flower.ask("/api/tasks", params={"limit": 10_000}).json()
        return {t["name"]: t["state"] for id_, t in found.items() if id_.startswith(job["id"])}

    stages = ("intent", "compress", "generate", "persist")
    until(lambda: states() == dict.fromkeys(stages, "SUCCESS"))


def test_the_task_that_failed_a_job_failed(
    too_long: dict[str, Any], flower: FlowerPage, until: Until
) -> None:
    until(lambda: flower.task(too_long, "generate").get("state") == "FAILURE")
    assert flower.task(too_long, "intent")["state"] == "SUCCESS"
    assert flower.task(too_long, "persist").get("state") != "SUCCESS"
