"""Pages of other sites call the API, and follow a job by the browser's own EventSource."""

import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, expect

from .conftest import Site
from .provider import ScriptedProvider

PAGE = b"<!doctype html><title>Elsewhere</title><output></output>"
# Submits a message with a key, and follows the job with a token.
ASK = """
async ([api, key, message]) => {
    const call = (path, body) => fetch(api + path, {
        method: "POST",
        headers: {Authorization: `Bearer ${key}`, "Content-Type": "application/json"},
        body: JSON.stringify(body),
    });
    const submitted = await call("/v1/jobs", {message, mind: "sage"});
    const made = await call(`${submitted.headers.get("Location")}/stream-token`, {});
    const {url} = await made.json();
    const shown = document.querySelector("output");
    const events = new EventSource(api + url);
    events.addEventListener("job.delta", (event) => shown.append(JSON.parse(event.data).text));
    events.addEventListener("job.completed", () => { events.close(); shown.append(" (end)"); });
}
"""
READ = """
([api, key]) => fetch(api + "/v1/jobs", {headers: {Authorization: `Bearer ${key}`}})
    .then((answer) => String(answer.status), (error) => error.name)
"""


class Elsewhere(BaseHTTPRequestHandler):
    """Another site, with an empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def site_variables(elsewhere: str) -> Mapping[str, str]:
    return {"CORS_ORIGINS": elsewhere}


def test_an_event_source_follows_a_job_over_a_restart(
    page: Page, site: Site, key: str, elsewhere: str, provider: ScriptedProvider
) -> None:
    gate = provider.hold("poem", "One ", "two three.")
    page.goto(elsewhere)

    page.evaluate(ASK, [site.url, key, "A <<poem>>, please."])
    shown = page.locator("output")
    expect(shown).to_have_text("Sage: One")
    site.kill_web()
    site.start_web()
    gate.set()

    expect(shown).to_have_text("Sage: One two three. (end)")


def test_a_site_that_is_not_allowed_reads_nothing(
    page: Page, site: Site, key: str, elsewhere: str
) -> None:
    page.goto(elsewhere)
    assert page.evaluate(READ, [site.url, key]) == "200"

    page.goto(elsewhere.replace("127.0.0.1", "localhost"))
    assert page.evaluate(READ, [site.url, key]) == "TypeError"
