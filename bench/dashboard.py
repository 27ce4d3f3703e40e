"""A picture of the dashboard's panels: `python -m bench.dashboard FILE` (`make dashboard`).

A whole stack works under load for two minutes, with a provider that fails for a while and a worker
that is killed. A real Prometheus scrapes its /metrics and answers the queries of
deploy/grafana/trimind.json. Grafana itself has no package here: a small page draws the panels.
"""

import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml
from playwright.sync_api import sync_playwright

from bench.panels import page_of
from bench.stack import client, new_job, running_workers, stack
from deploy.embedded.ports import free_port
from tests.browser import running_browser
from tests.chaos.stack import Stack
from tests.conftest import wait_until
from tests.integration.prometheus import program
from tests.npm import install

ROOT = Path(__file__).parents[1]
DASHBOARD = ROOT / "deploy" / "grafana" / "trimind.json"
LOAD_S, FAULTS_FROM_S, FAULTS_UNTIL_S, KILL_AT_S = 120, 45, 65, 80
JOBS_A_SECOND = 6
RATE_INTERVAL = "15s"
LONG = "The committee has met, and it has talked about the river and its banks at length. " * 12


def main() -> None:
    """Write the picture to the file that is named."""
    with stack(workers=2, threads=16) as of, prometheus(of) as url:
        of.start("cpu")
        with running_workers(of) as fleet:
            began = time.time()
            threading.Thread(target=lambda: trouble(of, fleet.workers[0].kill), daemon=True).start()
            work(of)
        panels = answered(url, began, time.time())
    draw(page_of(panels), Path(sys.argv[1]))


@contextmanager
def prometheus(of: Stack) -> Iterator[str]:
    """A Prometheus that scrapes this stack every second; its URL."""
    target = of.web.removeprefix("http://")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "secret").write_text(of.environ["SHARED_SECRET"])
        job = {
            "job_name": "trimind",
            "scrape_interval": "1s",
            "authorization": {"credentials_file": f"{folder}/secret"},
            "static_configs": [{"targets": [target]}],
        }
        (Path(folder) / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [job]}))
        port = free_port()
        command = [
            str(program("prometheus")),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with (Path(folder) / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: is_ready(url))
            yield url
        finally:
            process.terminate()
            process.wait()


def is_ready(url: str) -> bool:
    """Whether Prometheus answers."""
    try:
        return httpx.get(f"{url}/-/ready").is_success
    except httpx.TransportError:
        return False


def work(of: Stack) -> None:
    """Submit jobs for a while, some of them long, in bulk, or followed by a stream or a wait."""
    chance, threads = random.Random(1), []
    with client(of) as api:
        end = time.monotonic() + LOAD_S
        while time.monotonic() < end:
            body: dict[str, Any] = new_job()
            if chance.random() < 0.2:
                body["message"] += LONG
            if chance.random() < 0.3:
                body["priority"] = "bulk"
            answer = api.post("/v1/jobs", json=body).json()
            thread = threading.Thread(target=follow, args=(api, answer["id"], chance.random()))
            thread.start()
            threads.append(thread)
            time.sleep(1 / JOBS_A_SECOND)
        for thread in threads:
            thread.join()


def follow(api: httpx.Client, job_id: str, how: float) -> None:
    """Wait for a job, follow its stream, or poll it."""
    if how < 0.4:
        api.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=20"})
    elif how < 0.8:
        api.get(f"/v1/jobs/{job_id}/events")
    else:
        while api.get(f"/v1/jobs/{job_id}").json()["completed_at"] is None:
            time.sleep(0.5)


def trouble(of: Stack, kill: Any) -> None:
    """Let the provider fail for a while, and kill a worker later."""
    of.set_faults(latency_s=[0.1, 1.5], words=30)
    time.sleep(FAULTS_FROM_S)
    of.set_faults(weights={"answer": 2, "error": 3}, latency_s=[0.1, 1.5])
    time.sleep(FAULTS_UNTIL_S - FAULTS_FROM_S)
    of.set_faults(latency_s=[0.1, 1.5], words=30)
    time.sleep(KILL_AT_S - FAULTS_UNTIL_S)
    kill()


def answered(url: str, began: float, ended: float) -> list[dict[str, Any]]:
    """The panels of the dashboard, each target with its series: a legend, times and values."""
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    for panel in panels:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$__rate_interval", RATE_INTERVAL)
            asked = {"query": query, "start": began, "end": ended, "step": 1}
            reply = httpx.get(f"{url}/api/v1/query_range", params=asked, timeout=30)
            reply.raise_for_status()
            target["series"] = reply.json()["data"]["result"]
    return panels


def draw(page: str, file: Path) -> None:
    """Take the picture of a page in a real browser."""
    with running_browser(install(), wait_until) as address, sync_playwright() as playwright:
        browser = playwright.chromium.connect_over_cdp(address)
        tab = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
        tab.set_content(page)
        tab.screenshot(path=file, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
