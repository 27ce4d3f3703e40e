"""The page meets WCAG 2.2 AA, as far as axe can tell, at three widths and in both themes."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.npm import Packages

from .chat import Chat
from .conftest import Site
from .provider import ScriptedProvider

WIDTHS = (360, 1280, 2560)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RICH = (
    "### Title\n\nText with `code`, a [link](https://example.org) and **strong** words.\n\n",
    "> A quote.\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n```python\nprint('one')  # two\n```\n",
)

Check = Callable[[Page], list[str]]


@pytest.fixture(scope="session")
def check(npm_packages: Packages) -> Check:
    """`check(page)`: what axe finds wrong, at each width and in each theme."""
    axe = (npm_packages.folder / "node_modules" / "axe-core" / "axe.min.js").read_text()

    def violations(page: Page) -> list[str]:
        found = []
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                page.evaluate(f"() => {{ if (!window.axe) {{ {axe} }} }}")
                result: dict[str, Any] = page.evaluate(
                    "(tags) => axe.run({ runOnly: { type: 'tag', values: tags } })", RULES
                )
                assert len(result["passes"]) > 15, "axe has checked next to nothing"
                found += [
                    f"{theme} {width}: {each['id']}: {node['html'][:200]}"
                    for each in result["violations"]
                    for node in each["nodes"]
                ]
        return found

    return violations


def test_signing_in(page: Page, site: Site, check: Check) -> None:
    page.goto(site.url)
    page.get_by_label("API key").fill("tm_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()

    assert check(page) == []


def test_an_empty_conversation(chat: Chat, check: Check) -> None:
    expect(chat.page.get_by_role("heading", name=re.compile("three minds"))).to_be_visible()

    assert check(chat.page) == []


def test_answers_on_their_way_and_done(
    chat: Chat, provider: ScriptedProvider, check: Check
) -> None:
    provider.say("rich", *RICH)
    chat.send("Rich <<rich>>")
    chat.expect_done()
    gate = provider.hold("slow", "One ", "two three.")
    provider.refuse("bad", 400)
    chat.send("Slow <<slow>>", to="sage")
    expect(chat.answer("sage")).to_contain_text("One")
    chat.send("Bad <<bad>>", to="muse")
    expect(chat.answer("muse")).to_have_attribute("data-status", "failed")
    for receipt in chat.page.locator(".receipt summary").all():
        receipt.click()

    found = check(chat.page)

    gate.set()
    assert found == []


def test_a_receipt_with_what_was_cut(chat: Chat, check: Check) -> None:
    chat.send(
        f"{'Some words that say the same again and again. ' * 20}What do they say?", to="sage"
    )
    chat.expect_done("sage")
    receipt = chat.answer("sage").locator(".receipt")
    receipt.locator("summary").click()
    chat.button("Show what was cut", receipt).click()
    expect(receipt.locator("del").first).to_be_visible()

    assert check(chat.page) == []


def test_the_merged_answer_and_the_help_sheet(chat: Chat, check: Check) -> None:
    chat.send("Merge")
    chat.expect_done()
    chat.button("merge them into one").click()
    merged = chat.page.locator('.merge [data-role="assistant"]')
    expect(merged).to_have_attribute("data-status", "completed")
    assert check(chat.page) == []
    chat.page.keyboard.press("Escape")
    chat.page.locator("h1").click()
    chat.page.keyboard.press("?")
    expect(chat.page.get_by_role("dialog")).to_be_visible()

    assert check(chat.page) == []
