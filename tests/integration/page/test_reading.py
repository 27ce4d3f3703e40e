"""What is in sight while answers grow, on large screens and on phones."""

from collections.abc import Callable

from playwright.sync_api import Locator, expect

from .chat import Chat
from .provider import ScriptedProvider

LINES = "".join(f"Line {number}.\n\n" for number in range(60))
LEFT = "(pane) => pane.scrollHeight - pane.scrollTop - pane.clientHeight"

Until = Callable[..., None]


def body(chat: Chat, mind: str) -> Locator:
    """What scrolls in a mind's pane."""
    return chat.pane(mind).locator(".pane-body")


def test_the_end_of_a_growing_answer_stays_in_sight(
    chat: Chat, provider: ScriptedProvider, until: Until
) -> None:
    gate = provider.hold("follow", LINES, f"{LINES}The end.")
    chat.send("Follow <<follow>>", to="sage")
    expect(chat.answer("sage")).to_contain_text("Line 59.")
    pane = body(chat, "sage")
    until(lambda: pane.evaluate(LEFT) < 1)
    chat.page.set_viewport_size({"width": 1280, "height": 500})  # as a phone's keyboard does
    until(lambda: pane.evaluate(LEFT) < 1)
    gate.set()
    chat.expect_done("sage")
    until(lambda: pane.evaluate(LEFT) < 1)


def test_a_reader_who_has_moved_up_a_little_is_left_there(
    chat: Chat, provider: ScriptedProvider, until: Until
) -> None:
    gate = provider.hold("read", LINES, f"{LINES}The end.")
    chat.send("Read <<read>>", to="sage")
    expect(chat.answer("sage")).to_contain_text("Line 59.")
    pane = body(chat, "sage")
    until(lambda: pane.evaluate(LEFT) < 1)
    pane.hover()
    chat.page.mouse.wheel(0, -12)
    until(lambda: pane.evaluate(LEFT) > 1)
    top = pane.evaluate("(pane) => pane.scrollTop")
    gate.set()
    chat.expect_done("sage")
    expect(chat.answer("sage")).to_contain_text("The end.")
    assert pane.evaluate("(pane) => pane.scrollTop") == top
    chat.button("Go to the end", chat.pane("sage")).click()
    until(lambda: pane.evaluate(LEFT) < 1)
    expect(chat.button("Go to the end")).to_have_count(0)


def test_panes_are_tabs_on_a_phone(chat: Chat) -> None:
    chat.page.set_viewport_size({"width": 360, "height": 740})
    chat.send("Hello")
    chat.expect_done()
    expect(chat.pane("sage")).to_be_visible()
    expect(chat.pane("muse")).to_be_hidden()
    chat.page.get_by_role("tab", name="Muse").click()
    expect(chat.pane("muse")).to_be_visible()
    expect(chat.pane("sage")).to_be_hidden()
    chat.page.keyboard.press("ArrowRight")
    expect(chat.pane("sage")).to_be_visible()
    expect(chat.page.get_by_role("tab", name="Sage")).to_be_focused()


def test_conversations_are_in_a_drawer_on_a_phone(chat: Chat) -> None:
    chat.page.set_viewport_size({"width": 360, "height": 740})
    drawer = chat.page.get_by_role("navigation", name="Conversations")
    expect(drawer).to_be_hidden()
    chat.button("Conversations").click()
    expect(drawer).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    chat.button("Conversations").click()
    chat.page.mouse.click(350, 400)
    expect(drawer).to_be_hidden()
