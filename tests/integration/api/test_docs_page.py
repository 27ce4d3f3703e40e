"""The page at /docs, in a real browser."""

import pytest
from playwright.sync_api import Page, Request, expect

from config.settings import get_settings
from models.api_keys import create_key
from models.session import unit_of_work
from models.users import get_or_create_user

SCREEN = 800
NEVER_SENT = {"idempotency-key", "prefer", "cancel-after", "last-event-id", "cookie", "referer"}


@pytest.fixture
def key(backends, external_id) -> str:
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        return create_key(session, user_id, "docs", get_settings().pepper)


@pytest.fixture
def requests(page: Page) -> list[Request]:
    """Every request of the page."""
    seen: list[Request] = []
    page.on("request", lambda sent: seen.append(sent))
    return seen


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """The browser's console messages, violations of the content policy included."""
    seen: list[str] = []
    page.on("console", lambda said: seen.append(said.text))
    page.on("pageerror", lambda error: seen.append(str(error)))
    return seen


def authorize(page: Page, key: str) -> None:
    page.get_by_role("button", name="Authorize").first.click()
    page.get_by_label("auth-bearer-value").first.fill(key)
    page.get_by_label("Apply credentials").first.click()
    page.get_by_role("button", name="Close").last.click()


def test_the_page_shows_trimind_and_sends_what_its_reader_wrote(
    serve, dead_address, page: Page, requests: list[Request], complaints: list[str], key: str
) -> None:
    web = serve(BIND=dead_address)
    page.goto(f"{web.base_url}/docs")
    first = page.locator(".opblock").first
    expect(first).to_be_visible()
    box = first.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= SCREEN
    assert page.title() == "Trimind"

    authorize(page, key)
    call = page.locator("#operations-jobs-submit_job")
    call.locator(".opblock-summary-control").click()
    call.get_by_role("button", name="Try it out").click()
    with page.expect_request(lambda sent: sent.method == "POST") as submitted:
        call.get_by_role("button", name="Execute").click()
    expect(call.locator(".live-responses-table .response-col_status").last).to_contain_text("202")

    sent = submitted.value.all_headers()
    assert sent["authorization"] == f"Bearer {key}"
    assert NEVER_SENT.isdisjoint(sent)
    assert [
        each.url for each in requests if not each.url.startswith(f"http://{dead_address}/")
    ] == []
    assert complaints == []


def test_nothing_that_was_slipped_into_the_page_runs_or_is_sent(
    serve, dead_address, until, page: Page, complaints: list[str]
) -> None:
    web = serve(BIND=dead_address)
    page.goto(f"{web.base_url}/docs")
    slipped = """
        const script = document.createElement("script");
        script.textContent = "document.title = 'taken over'";
        document.body.append(script);
        const image = new Image(); image.src = "http://127.0.0.1:9/?stolen"; image
    """
    page.evaluate(slipped)

    assert page.title() == "Trimind"

    def refusals() -> list[str]:
        page.evaluate("1")  # what the page has said comes before its answer
        return [said for said in complaints if "Content Security Policy" in said]

    until(lambda: len(refusals()) == 2)
