"""The page's main states at three widths and in both themes.

`make screenshots` writes them to docs/images; in a test run they go to a folder of the test, and
what is checked is that nothing reaches beyond the width.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from config.settings import get_settings
from models.api_keys import create_key
from models.scopes import ADMIN
from models.session import unit_of_work
from models.users import get_or_create_user

from .chat import MINDS, Chat
from .conftest import Site
from .provider import ScriptedProvider

WIDTHS = {360: 740, 1280: 800, 2560: 1300}
QUESTION = "How do I keep my sourdough starter alive while I travel for two weeks?"
ANSWER = (
    "Put it to sleep **before** you leave:\n\n",
    "1. Feed it `1 : 2 : 2` and let it stand for an hour.\n2. Close the jar, and cool it.\n",
    "3. Feed it twice when you are back.\n\n",
    "| kept | for how long |\n| --- | --- |\n| in the fridge | weeks |\n| dried | years |\n\n",
    "```python\ndays = 14\nprint('fridge' if days < 28 else 'dry it')\n```\n",
)

BEYOND = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"

Shoot = Callable[[Page, str], None]


@pytest.fixture
def shoot(tmp_path: Path) -> Shoot:
    """`shoot(page, name)`: take the pictures of a state."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str) -> None:
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            for width, height in WIDTHS.items():
                page.set_viewport_size({"width": width, "height": height})
                beyond = page.evaluate(BEYOND)
                assert beyond <= 0, f"{name} at {width}: {beyond} px too wide"
                picture = folder / f"{name}-{width}-{theme}.png"
                page.screenshot(path=picture)

    return take


def test_an_empty_conversation(chat: Chat, shoot: Shoot) -> None:
    expect(chat.page.get_by_text("Ask all three minds")).to_have_count(0)
    expect(chat.page.locator(".empty h2")).to_be_visible()
    shoot(chat.page, "empty")


def test_answers_that_stream(chat: Chat, provider: ScriptedProvider, shoot: Shoot) -> None:
    gate = provider.hold("", "".join(ANSWER[:2]), ANSWER[2])
    chat.send(QUESTION)
    for mind in MINDS:
        expect(chat.answer(mind)).to_contain_text("1 : 2 : 2")
    shoot(chat.page, "streaming")
    gate.set()


def test_answers_that_are_done(chat: Chat, provider: ScriptedProvider, shoot: Shoot) -> None:
    provider.say("", *ANSWER)
    chat.send(QUESTION)
    chat.expect_done()
    chat.answer("sage").locator(".receipt summary").click()
    shoot(chat.page, "answers")


def test_the_board(page: Page, site: Site, key: str, shoot: Shoot) -> None:
    users = page.context.browser.new_context()
    chat = Chat(users.new_page(), site.url).sign_in(key)
    chat.send(QUESTION)
    chat.expect_done()
    users.close()
    with unit_of_work() as session:
        user_id = get_or_create_user(session, "operator")
        operators = create_key(session, user_id, "board", get_settings().pepper, [ADMIN])
    page.goto(f"{site.url}/board")
    page.get_by_label("API key").fill(operators)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    expect(page.locator("[data-job]").first).to_be_visible()
    shoot(page, "board")
