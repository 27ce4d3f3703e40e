"""/metrics of a whole stack: what it counts, and that the page, the dashboard and the alerts name
nothing else."""

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from ...chaos.stack import Stack
from ..prometheus import program

Until = Callable[..., None]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "metrics.md"
RUNBOOK = ROOT / "docs" / "runbook.md"
DASHBOARD = ROOT / "deploy" / "grafana" / "trimind.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
EXAMPLE = ROOT / "deploy" / "prometheus" / "prometheus.yml"
ROW = re.compile(r"^\| `(trimind_\w+)` \| (\w+) \|(.*?)\| \w+ \|", re.MULTILINE)
NAME = re.compile(r"\btrimind_\w+")
# A metric with its selector: `trimind_x{a="b",c=~"d"}`.
SELECTED = re.compile(r"\b(trimind_\w+)\{([^}]*)\}")
OF_HISTOGRAM = re.compile(r"_(bucket|sum|count)$")
MODEL = "openai/gpt-4o-mini"
# Two reports, which are at most 5 s apart; a process that was killed is missed after 15 s.
SETTLE_WITHIN_S = 30


def scrape(stack: Stack) -> list[Metric]:
    headers = {"Authorization": f"Bearer {stack.environ['SHARED_SECRET']}"}
    response = httpx.get(f"{stack.web}/metrics", headers=headers, timeout=30)
    response.raise_for_status()
    return [*text_string_to_metric_families(response.text)]


def samples(stack: Stack) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for metric in scrape(stack)
        for sample in metric.samples
    }


def value(stack: Stack, name: str, **labels: str) -> float:
    return samples(stack).get((name, frozenset(labels.items())), 0)


def ask(stack: Stack, message: str = "How does a river find its way?", **more: str) -> None:
    """Send a message and wait for its answer."""
    headers = {"Authorization": f"Bearer {stack.key}", "Prefer": "wait=20"}
    url, body = f"{stack.web}/v1/jobs", {"message": message, **more}
    response = httpx.post(url, json=body, headers=headers, timeout=30)
    assert response.json()["status"] == "completed", response.text


def reports(stack: Stack) -> dict[str, int]:
    """How often each live process has added its counts to the sums."""
    with stack.redis() as redis:
        return {
            each: int(redis.hget(f"{alive.removesuffix('alive')}of:{each}", "batch") or 0)
            for alive in redis.keys("*:metrics:*:alive")
            for each in redis.zrange(alive, 0, -1)
        }


def totals_are_complete(stack: Stack) -> bool:
    """Whether the bookkeeper has added all jobs that have ended."""
    with psycopg.connect(stack.database_url) as database:
        return database.execute(
            "SELECT NOT EXISTS"
            " (SELECT FROM jobs, usage_progress WHERE jobs.completed_at >= usage_progress.until)"
        ).fetchone() == (True,)


def settle(stack: Stack, until: Until) -> None:
    """Wait until all that was counted before is in the sums: each live process has reported twice
    since, of which the first report may have begun before; and ended jobs are in the totals."""
    earlier = reports(stack)

    def settled() -> bool:
        now = reports(stack)
        return bool(now) and all(now[each] >= earlier.get(each, 0) + 2 for each in now)

    until(settled, SETTLE_WITHIN_S)
    until(lambda: totals_are_complete(stack), SETTLE_WITHIN_S)


@pytest.fixture
def grown(stack: Stack, until: Until) -> Callable[..., None]:
    """`grown(by, name, **labels)`: wait until it has grown by this since the test began."""
    settle(stack, until)
    before = samples(stack)

    def check(by: float, name: str, **labels: str) -> None:
        earlier = before.get((name, frozenset(labels.items())), 0)
        until(lambda: value(stack, name, **labels) - earlier == by)

    return check


def test_a_job_is_counted_from_its_request_to_its_end(
    stack: Stack, grown: Callable[..., None]
) -> None:
    ask(stack, priority="bulk")
    ask(stack)
    grown(1, "trimind_jobs_accepted_total", priority="bulk")
    posted = {"method": "POST", "route": "/v1/jobs", "status": "200"}
    grown(2, "trimind_http_requests_total", **posted)
    grown(2, "trimind_http_request_seconds_count", route="/v1/jobs")
    grown(2, "trimind_job_seconds_count")
    grown(2, "trimind_job_first_token_seconds_count")
    grown(2, "trimind_first_token_seconds_count", model=MODEL)
    grown(2, "trimind_model_calls_total", model=MODEL, code="ok")
    for stage, status in (
        *(("intent", "completed"), ("compress", "skipped")),
        *(("generate", "completed"), ("persist", "completed")),
    ):
        grown(2, "trimind_stage_seconds_count", stage=stage, status=status)
    # These two come from the database, once the bookkeeper has added the jobs.
    for priority in ("bulk", "interactive"):
        how = {"status": "completed", "code": "", "priority": priority}
        grown(1, "trimind_jobs_ended_total", **how)


def test_what_goes_wrong_is_counted(stack: Stack, grown: Callable[..., None]) -> None:
    stack.set_faults(weights={"error": 1}, faults_per_job=2)
    ask(stack)
    grown(2, "trimind_model_calls_total", model=MODEL, code="provider_unavailable")
    grown(1, "trimind_stage_retries_total", stage="generate", code="provider_unavailable")
    httpx.get(f"{stack.web}/nowhere/{'x' * 30}")
    grown(1, "trimind_http_requests_total", method="GET", route="none", status="404")


def test_a_worker_that_ends_leaves_its_counts_and_is_gone(stack: Stack, until: Until) -> None:
    def workers() -> float:
        return value(stack, "trimind_processes", process="worker")

    until(lambda: workers() >= 1)
    before = workers()
    worker = stack.worker().start()
    until(lambda: workers() == before + 1)
    threads = value(stack, "trimind_running_stages_max", process="worker")
    assert threads == (before + 1) * stack.profile.threads
    worker.signal(signal.SIGTERM)
    until(lambda: not worker.alive())
    assert workers() == before


def documented() -> dict[str, tuple[str, set[str]]]:
    """The type and the labels of each metric of the page."""
    rows = ROW.findall(PAGE.read_text())
    return {name: (kind, {*re.findall(r"`(\w+)`", labels)}) for name, kind, labels in rows}


def test_the_page_has_every_metric_with_its_type_and_labels(stack: Stack) -> None:
    stack.set_faults(weights={"error": 1}, faults_per_job=1)
    ask(stack)
    found = scrape(stack)
    real = {
        metric.name + ("_total" if metric.type == "counter" else ""): metric.type
        for metric in found
    }
    assert real == {name: kind for name, (kind, _) in documented().items()}
    for metric in found:
        name = metric.name + ("_total" if metric.type == "counter" else "")
        for sample in metric.samples:
            assert {*sample.labels} - {"le"} == documented()[name][1], name


def expressions() -> dict[str, str]:
    """Every expression of the dashboard and the alerts, by the title of its panel or alert."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    of_panels = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in panels
        for target in panel.get("targets", ())
    }
    return of_panels | {rule["alert"]: rule["expr"] for rule in rules()}


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    return [*group["rules"]]


def test_the_dashboard_and_the_alerts_ask_for_metrics_and_labels_that_there_are(
    stack: Stack,
) -> None:
    known = {
        metric.name + ("_total" if metric.type == "counter" else ""): metric.type
        for metric in scrape(stack)
    }
    for title, expression in expressions().items():
        names = NAME.findall(expression)
        assert names, title
        for name in names:
            base = OF_HISTOGRAM.sub("", name)
            assert name in known or known.get(base) == "histogram", f"{title}: {name}"
    for title, expression in expressions().items():
        for name, selector in SELECTED.findall(expression):
            labels = {*re.findall(r"(\w+)=", selector)}
            assert labels <= documented()[OF_HISTOGRAM.sub("", name)][1], title


def test_every_metric_is_on_the_dashboard() -> None:
    """But one that another one counts."""
    shown = {
        OF_HISTOGRAM.sub("", name) for each in expressions().values() for name in NAME.findall(each)
    }
    assert documented().keys() - shown == {
        "trimind_oldest_queued_age_seconds",
        "trimind_breaker_opens_total",
    }


def test_prometheus_accepts_the_rules_the_panels_and_the_example(tmp_path: Path) -> None:
    panels = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(expressions().values())
    ]
    of_panels = tmp_path / "panels.yml"
    of_panels.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": panels}]}))
    for command in (
        ("check", "rules", str(ALERTS)),
        ("check", "rules", str(of_panels)),
        ("check", "config", "--syntax-only", str(EXAMPLE)),
    ):
        done = subprocess.run(
            [program("promtool"), *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_its_place_in_the_runbook() -> None:
    _, _, alerts = RUNBOOK.read_text().partition("\n## Alerts\n")
    headings = re.findall(r"^### (\w+)$", alerts.partition("\n## ")[0], re.MULTILINE)
    assert headings == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_alerts_notice_that_metrics_are_absent() -> None:
    absent = [rule["expr"] for rule in rules() if "absent(" in rule["expr"]]
    assert {name for each in absent for name in re.findall(r"absent\((\w+)\)", each)} == {
        "trimind_jobs",
        "trimind_processes",
    }
