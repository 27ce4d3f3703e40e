"""Writing a message, and the keyboard."""

from playwright.sync_api import expect

from .chat import Chat

HANDLED_BY_INPUT_METHOD = """(input) => input.dispatchEvent(
  new KeyboardEvent("keydown", { key: "Enter", keyCode: 229, bubbles: true, cancelable: true }))"""


def test_a_draft_survives_a_reload(chat: Chat) -> None:
    chat.message.fill("A new thought")
    chat.page.reload()
    expect(chat.message).to_have_value("A new thought")
    chat.send("Sent", to="sage")
    chat.message.fill("Another thought")
    chat.button("New conversation").click()
    expect(chat.message).to_have_value("")
    chat.page.go_back()
    expect(chat.message).to_have_value("Another thought")


def test_a_key_of_an_input_method_sends_nothing(chat: Chat) -> None:
    chat.message.fill("にほんご")
    assert not chat.message.evaluate(HANDLED_BY_INPUT_METHOD + " === false")
    expect(chat.message).to_have_value("にほんご")
    expect(chat.page.locator('[data-role="user"]')).to_have_count(0)
    chat.message.press("Enter")
    expect(chat.page.locator('[data-role="user"]')).to_have_count(3)


def test_everything_is_reached_by_keys(chat: Chat) -> None:
    keyboard = chat.page.keyboard
    chat.send("First")
    chat.expect_done()
    keyboard.press("Alt+2")
    expect(chat.page.locator('[data-pane="maker"]')).to_be_focused()
    keyboard.press("?")
    expect(chat.page.get_by_role("dialog")).to_be_visible()
    keyboard.press("Escape")
    expect(chat.page.get_by_role("dialog")).to_be_hidden()
    keyboard.press("Alt+Shift+3")
    expect(chat.page.get_by_role("radio", name="Muse")).to_be_checked()
    keyboard.press("Alt+0")
    expect(chat.page.get_by_role("radio", name="All 3")).to_be_checked()
    keyboard.press("/")
    expect(chat.message).to_be_focused()
    keyboard.press("Shift+Enter")
    expect(chat.message).to_have_value("\n")
    keyboard.press("Control+k")
    expect(chat.page.get_by_role("searchbox")).to_be_focused()
    keyboard.press("Alt+n")
    expect(chat.page.get_by_role("heading", name="New conversation")).to_be_visible()
    expect(chat.message).to_be_focused()
