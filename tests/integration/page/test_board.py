"""Operators at the board."""

import signal
from collections.abc import Mapping

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from config.settings import get_settings
from models.api_keys import create_key
from models.scopes import ADMIN
from models.session import unit_of_work
from models.users import get_or_create_user

from .chat import Chat
from .conftest import Site
from .provider import ScriptedProvider

FLOWER = "https://flower.example"


@pytest.fixture(scope="module")
def site_variables() -> Mapping[str, str]:
    return {"FLOWER_URL": FLOWER}


@pytest.fixture
def board(page: Page, site: Site) -> Page:
    """The board in a browser, signed in as an operator."""
    with unit_of_work() as session:
        user_id = get_or_create_user(session, "operator")
        key = create_key(session, user_id, "board", get_settings().pepper, [ADMIN])
    page.goto(f"{site.url}/board")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    return page


def listed(board: Page, chat: Chat) -> Locator:
    """The sage's latest job in the board's list, which shows everybody's until a search is done."""
    return board.locator(f"[data-job={chat.answer('sage').get_attribute('data-job')}] button")


def test_a_job_is_found_opened_and_cancelled(
    board: Page, site: Site, key: str, provider: ScriptedProvider, external_id: str
) -> None:
    gate = provider.hold("long", "one ", "two three.")
    users = board.context.browser.new_context()
    chat = Chat(users.new_page(), site.url).sign_in(key)
    chat.send("Hold on <<long>>", to="sage")
    expect(chat.answer("sage")).to_contain_text("one")

    board.get_by_role("searchbox").fill(external_id)
    board.get_by_role("button", name="Search").click()
    expect(board.locator("[data-job]")).to_have_count(1)
    listed(board, chat).click()
    opened = board.locator("article.job")
    expect(opened).to_be_focused()
    expect(opened).to_contain_text("intent completed")
    expect(opened.get_by_role("link")).to_have_text(["intent", "compress", "generate"])
    task = opened.get_by_role("link", name="intent").get_attribute("href") or ""
    assert task.startswith(f"{FLOWER}/task/job_")
    expect(opened).not_to_contain_text("Hold on")
    opened.get_by_role("button", name="Cancel").click()
    expect(opened).to_contain_text("cancelled")

    expect(chat.answer("sage")).to_have_attribute("data-status", "cancelled")
    gate.set()
    opened.get_by_role("button", name="Retry").click()
    expect(board.locator("[data-job]")).to_have_count(2)
    expect(opened).not_to_contain_text("cancelled")
    users.close()


def test_a_queued_job_is_dispatched_again_and_answered_once(
    board: Page, site: Site, key: str, external_id: str
) -> None:
    users = board.context.browser.new_context()
    chat = Chat(users.new_page(), site.url).sign_in(key)
    site.worker.send_signal(signal.SIGSTOP)
    try:
        chat.send("Wait for a worker", to="sage")
        expect(chat.answer("sage")).to_have_attribute("data-status", "queued")
        board.get_by_role("searchbox").fill(external_id)
        board.get_by_role("button", name="Search").click()
        listed(board, chat).click()
        opened = board.locator("article.job")
        opened.get_by_role("button", name="Dispatch again").click()
        expect(opened.get_by_role("status")).to_have_text(
            "It will be dispatched again within seconds."
        )
    finally:
        site.worker.send_signal(signal.SIGCONT)
    chat.expect_done("sage")
    board.get_by_role("button", name="Search").click()
    listed(board, chat).click()
    expect(opened.get_by_role("listitem").filter(has_text="persist completed")).to_have_count(1)
    expect(opened.get_by_role("button", name="Dispatch again")).to_have_count(0)
    users.close()


def test_it_says_what_the_installation_does(board: Page, key: str, site: Site) -> None:
    users = board.context.browser.new_context()
    chat = Chat(users.new_page(), site.url).sign_in(key)
    chat.send("Count me", to="sage")
    chat.expect_done("sage")
    users.close()

    board.reload()
    expect(board.get_by_role("img", name="Last hour")).to_be_visible()
    expect(board.get_by_role("img", name="Last day")).to_be_visible()
    for title in ("Queues", "Failures, last day", "Breakers"):
        expect(board.get_by_role("heading", name=title, exact=True)).to_be_visible()
    expect(board.locator(".card", has_text="Spent today")).to_contain_text("$")
    expect(board.locator(".card", has_text="Jobs a minute")).not_to_contain_text("0.0")
    expect(board.locator(".card", has_text="Latency")).to_contain_text("generate")
    expect(board.locator(".card", has_text="Workers").last).to_contain_text("page@")


def test_many_jobs_are_shown_page_by_page(
    board: Page, site: Site, key: str, external_id: str
) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=site.url, headers=headers, trust_env=False) as client:
        for number in range(10):
            assert client.post("/v1/broadcasts", json={"message": f"{number}"}).status_code == 202

    board.get_by_role("searchbox").fill(external_id)
    board.get_by_role("button", name="Search").click()
    expect(board.locator("[data-job]")).to_have_count(25)
    board.get_by_role("button", name="Show more").click()
    expect(board.locator("[data-job]")).to_have_count(30)
    expect(board.get_by_role("button", name="Show more")).to_have_count(0)


def test_a_user_who_is_no_operator_is_told_so(page: Page, site: Site, key: str) -> None:
    page.goto(f"{site.url}/board")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")

    expect(page.get_by_role("alert").first).to_contain_text("scope admin")
