"""What is in sight while answers grow, on large screens and on phones."""

from collections.abc import Callable

import httpx
from playwright.sync_api import Locator, expect

from .chat import Chat
from .provider import ScriptedProvider

LINES = "".join(f"Line {number}.\n\n" for number in range(60))
HEBREW = "\n\nשלום עולם.\n\n- אחד\n\nIn English.\n\n```python\nprint(1)\n```\n"
LEFT = "(pane) => pane.scrollHeight - pane.scrollTop - pane.clientHeight"

Until = Callable[..., None]


def scrolled(chat: Chat, mind: str) -> Locator:
    """What scrolls in a mind's pane."""
    return chat.pane(mind).locator(".pane-body")


def test_the_end_of_a_growing_answer_stays_in_sight(
    chat: Chat, provider: ScriptedProvider, until: Until
) -> None:
    gate = provider.hold("follow", LINES, f"{LINES}The end.")
    chat.send("Follow <<follow>>", to="sage")
    expect(chat.answer("sage")).to_contain_text("Line 59.")
    pane = scrolled(chat, "sage")
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
    pane = scrolled(chat, "sage")
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


def test_earlier_messages_leave_the_reader_where_he_is(
    chat: Chat, key: str, provider: ScriptedProvider, until: Until
) -> None:
    provider.say("", "One.\n\nTwo.\n\nThree.")
    chat.send("Message 1", to="sage")
    chat.expect_done("sage")
    conversation_id = chat.page.url.rsplit("/", 1)[1]
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=chat.url, headers=headers, trust_env=False) as client:
        for number in range(2, 31):
            body = {"message": f"Message {number}", "mind": "sage"}
            accepted = client.post("/v1/jobs", json=body | {"conversation_id": conversation_id})
            assert accepted.status_code == 202
        last = accepted.headers["Location"]
        until(lambda: client.get(last).json()["status"] == "completed", 120)
    chat.page.reload()
    pane = scrolled(chat, "sage")
    said = pane.locator('.turn > [data-role="user"]')
    expect(said.last).to_have_text("Message 30")
    assert said.count() == pane.locator(".turn").count() < 30  # no answer without its question
    pane.evaluate("(pane) => pane.scrollTo(0, 0)")
    text = said.first.text_content() or ""  # also of what is out of sight
    first = pane.locator(".turn", has=chat.page.get_by_text(text, exact=True))
    top = "(turn) => turn.getBoundingClientRect().top"
    before = first.evaluate(top)
    chat.button("Show earlier messages", chat.pane("sage")).click()
    expect(said.first).to_have_text("Message 1")
    until(lambda: abs(first.evaluate(top) - before) < 2)
    expect(pane).to_be_focused()


def test_a_receipt_opens_where_it_was_clicked(chat: Chat, provider: ScriptedProvider) -> None:
    provider.say("long", LINES)
    chat.send("Long <<long>>", to="sage")
    chat.expect_done("sage")
    summary = chat.answer("sage").locator(".receipt summary")
    summary.scroll_into_view_if_needed()
    before = summary.bounding_box()
    summary.click()
    expect(chat.answer("sage").locator(".receipt dl")).to_be_visible()
    assert summary.bounding_box() == before


def test_each_paragraph_reads_from_its_own_side(chat: Chat, provider: ScriptedProvider) -> None:
    provider.say("hebrew", HEBREW)
    chat.send("שלום <<hebrew>>", to="sage")
    chat.expect_done("sage")
    answer = chat.answer("sage").locator(".markdown")
    side = "(element) => getComputedStyle(element).direction"
    assert chat.pane("sage").locator(".user p").evaluate(side) == "rtl"
    assert answer.locator("p", has_text="שלום").evaluate(side) == "rtl"
    assert answer.locator("li").evaluate(side) == "rtl"
    assert answer.locator("p", has_text="English").evaluate(side) == "ltr"
    assert answer.locator("code").evaluate(side) == "ltr"


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
