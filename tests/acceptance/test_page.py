"""The page on the whole stack, with the embedded model."""

import re

from playwright.sync_api import Page, expect

from .conftest import Stack
from .test_first_message import PROSE

ANSWERED_WITHIN_MS = 120_000


def test_the_printed_link_leads_to_three_answers_with_receipts(stack: Stack, page: Page) -> None:
    link = re.search(r"http\S+/#sign-in=\S+", stack.output)
    assert link
    page.goto(link[0])
    message = page.get_by_label("Message", exact=True)
    message.fill(PROSE)
    message.press("Enter")

    answers = page.locator('.pane [data-role="assistant"]')
    expect(answers).to_have_count(3)
    for answer in answers.all():
        expect(answer).to_have_attribute("data-status", "completed", timeout=ANSWERED_WITHIN_MS)
        expect(answer.locator(".markdown")).not_to_be_empty()
    page.reload()
    expect(answers).to_have_count(3)

    answer = answers.first
    answer.locator(".receipt summary").click()
    answer.get_by_role("button", name="Show what was cut").click()
    expect(answer.locator(".cut del").first).to_be_visible()
    expect(answer.locator(".cut")).to_have_text(PROSE)
    cut = answer.locator(".cut del").all_text_contents()
    assert cut == [words.strip() for words in cut]
