"""Writing a message, and the keyboard."""

from playwright.sync_api import Page, expect

from .chat import Chat
from .conftest import Site
from .provider import ScriptedProvider

HANDLED_BY_INPUT_METHOD = """(input) => input.dispatchEvent(
  new KeyboardEvent("keydown", { key: "Enter", keyCode: 229, bubbles: true, cancelable: true }))"""

# Whether a key is left to the input, which writes its character.
PRESS = """((init) => (input) => input.dispatchEvent(
  new KeyboardEvent("keydown", { key: "x", bubbles: true, cancelable: true, ...init })))"""


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


def test_escape_in_an_input_method_stops_no_answer(chat: Chat, provider: ScriptedProvider) -> None:
    gate = provider.hold("kana", "one ", "two.")
    chat.send("Wait <<kana>>", to="sage")
    expect(chat.answer("sage")).to_contain_text("one")
    assert chat.message.evaluate(f"{PRESS}({{ key: 'Escape', isComposing: true }})")
    gate.set()
    chat.expect_done("sage")


def test_characters_of_alt_gr_are_written(chat: Chat) -> None:
    assert chat.message.evaluate(f"{PRESS}({{ altKey: true, ctrlKey: true, code: 'Digit0' }})")
    assert chat.message.evaluate(f"{PRESS}({{ altKey: true, code: 'Digit7' }})")
    assert not chat.message.evaluate(f"{PRESS}({{ altKey: true, code: 'Digit1' }})")


def test_characters_of_option_are_written_on_a_mac(page: Page, site: Site, key: str) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'platform', { value: 'MacIntel' })")
    chat = Chat(page, site.url).sign_in(key)
    assert chat.message.evaluate(f"{PRESS}({{ altKey: true, code: 'Digit1', key: '¡' }})")
    assert chat.message.evaluate(f"{PRESS}({{ altKey: true, code: 'KeyN', key: 'Dead' }})")
    maker = page.get_by_role("radio", name="Maker")
    expect(maker).to_be_attached()  # until the minds are loaded, their keys do nothing
    page.keyboard.press("Control+Shift+2")
    expect(maker).to_be_checked()
    assert chat.errors == []


def test_a_very_long_text_is_pasted_and_written_on_at_once(chat: Chat) -> None:
    lines = "".join(f"value_{number} = {number}\n" for number in range(2000))
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=chat.url)
    chat.page.evaluate("(text) => navigator.clipboard.writeText(text)", lines)
    chat.message.press("Control+v")
    chat.page.keyboard.type("More")
    expect(chat.message).to_have_value(f"{lines}More")
    expect(chat.message).to_have_js_property("rows", 10)


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
