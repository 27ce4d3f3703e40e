"""What went wrong is told in plain words, where it happened, with what to do."""

from collections.abc import Callable
from decimal import Decimal

import httpx
from playwright.sync_api import Page, expect

from models.limits import change_limits
from models.session import unit_of_work
from models.users import get_or_create_user

from .chat import Chat
from .conftest import Site
from .provider import ScriptedProvider

Until = Callable[..., None]


def test_a_provider_that_is_down_is_named_and_asked_again(
    chat: Chat, provider: ScriptedProvider
) -> None:
    provider.refuse("down", 503)
    chat.send("Are you there <<down>>?", to="sage")
    waiting = chat.answer("sage").locator(".waiting")
    expect(waiting).to_contain_text("The provider can't be reached, or fails.")
    expect(waiting).to_contain_text("stop it and pick another model")
    expect(chat.button("Stop", chat.answer("sage"))).to_be_visible()
    provider.say("down", "Here again.")
    chat.expect_done("sage")
    expect(chat.answer("sage")).to_contain_text("Here again.")
    expect(waiting).to_have_count(0)


def test_a_refused_message_says_why_and_is_still_there(chat: Chat) -> None:
    chat.message.fill("x" * 100_001)
    chat.message.press("Enter")
    expect(chat.page.locator("#send-error")).to_have_text(
        "Message: must have at most 100000 characters. Your message is still here."
    )
    assert len(chat.message.input_value()) == 100_001


def test_a_limit_of_the_user_is_told_at_once_with_what_to_do(
    chat: Chat, provider: ScriptedProvider, key: str, external_id: str, until: Until
) -> None:
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        change_limits(session, user_id, {"jobs": 1, "requests_per_minute": 4321})
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=chat.url, headers=headers, trust_env=False) as client:
        until(lambda: "q=4321" in client.get("/v1/minds").headers["RateLimit-Policy"])
    gate = provider.hold("one", "One ", "two.")
    chat.send("First <<one>>", to="sage")
    expect(chat.answer("sage")).to_contain_text("One")
    chat.message.fill("Second")
    chat.message.press("Enter")
    refused = chat.page.locator("#send-error")
    expect(refused).to_contain_text("Wait until some have ended, or stop some.")
    expect(chat.message).to_have_value("Second")
    gate.set()
    chat.expect_done("sage")


def test_a_budget_that_is_used_up_is_told_where_it_happened_with_what_to_do(
    chat: Chat, provider: ScriptedProvider, key: str, external_id: str, until: Until
) -> None:
    provider.refuse("dear", 400)
    chat.send("Too dear <<dear>>", to="sage")
    expect(chat.answer("sage")).to_have_attribute("data-status", "failed")
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        change_limits(session, user_id, {"spend_usd": Decimal("0.000001")})
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=chat.url, headers=headers, trust_env=False) as client:
        until(lambda: client.post("/v1/jobs", json={"message": "?"}).status_code == 402)
    chat.message.fill("Another one")
    chat.message.press("Enter")
    refused = chat.page.locator("#send-error")
    expect(refused).to_contain_text("The job may cost up to $")
    expect(refused).to_contain_text("or ask your administrator for a higher budget.")
    expect(chat.message).to_have_value("Another one")
    chat.button("Retry", chat.answer("sage")).click()
    at_the_answer = chat.answer("sage").get_by_role("alert").last
    expect(at_the_answer).to_contain_text("or ask your administrator for a higher budget.")


def test_a_failed_job_says_why_and_what_to_do(chat: Chat, provider: ScriptedProvider) -> None:
    provider.refuse("broken", 400)
    chat.send("Fail <<broken>>", to="sage")
    expect(chat.answer("sage")).to_have_attribute("data-status", "failed")
    expect(chat.answer("sage").get_by_role("alert")).to_contain_text("No answer.")
    provider.say("broken", "Now it works.")
    chat.button("Retry", chat.answer("sage")).click()
    chat.expect_done("sage")
    expect(chat.answer("sage")).to_contain_text("Now it works.")


def test_a_wrong_key_is_refused_in_words(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.get_by_label("API key").fill("tm_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("The API key is unknown, revoked or expired.")
