"""People at the page: one message, three minds side by side."""

import re

from playwright.sync_api import expect

from .chat import MINDS, Chat
from .provider import ScriptedProvider


def test_a_message_is_answered_by_three_minds(chat: Chat, provider: ScriptedProvider) -> None:
    gate = provider.hold("three", "One ", "two three.")
    chat.send("Count to <<three>>.")
    for mind in MINDS:
        expect(chat.answer(mind)).to_have_attribute("aria-busy", "true")
        expect(chat.pane(mind)).to_contain_text("Generating")
        expect(chat.answer(mind)).to_contain_text(f"{mind.capitalize()}: One")
    gate.set()
    chat.expect_done()
    for mind in MINDS:
        expect(chat.answer(mind)).to_contain_text(f"{mind.capitalize()}: One two three.")
        expect(chat.pane(mind).locator('[data-role="user"]')).to_have_text("Count to <<three>>.")


def test_the_loading_state_lasts_until_the_first_text(
    chat: Chat, provider: ScriptedProvider
) -> None:
    gate = provider.hold("empty", "", "Now.")
    chat.send("Wait for it: <<empty>>", to="sage")
    expect(chat.answer("sage").locator(".loading")).to_be_visible()
    expect(chat.pane("sage")).to_contain_text("Generating")
    gate.set()
    chat.expect_done("sage")
    expect(chat.answer("sage").locator(".loading")).to_have_count(0)


def test_several_messages_in_sequence(chat: Chat) -> None:
    for number in (1, 2, 3):
        chat.send(f"Message {number}")
        expect(chat.pane("muse").locator('[data-role="user"]')).to_have_count(number)
        chat.expect_done()
    said = chat.pane("sage").locator('[data-role="user"]')
    expect(said).to_have_text(["Message 1", "Message 2", "Message 3"])


def test_one_mind_alone_is_asked(chat: Chat) -> None:
    chat.send("Only you", to="maker")
    chat.expect_done("maker")
    expect(chat.answers).to_have_count(1)
    expect(chat.pane("sage")).to_contain_text("has not been asked yet")


def test_messages_persist_across_a_reload(chat: Chat) -> None:
    chat.send("Remember me")
    chat.expect_done()
    chat.page.reload()
    expect(chat.answers).to_have_count(3)
    expect(chat.answer("sage")).to_contain_text("Sage: A short answer.")
    expect(chat.page.get_by_role("heading", name="Remember me")).to_be_visible()


def test_one_answer_is_stopped_and_asked_for_again(chat: Chat, provider: ScriptedProvider) -> None:
    gate = provider.hold("stop", "one two ", "three four.")
    chat.send("Stop me <<stop>>")
    expect(chat.answer("maker")).to_contain_text("one two")
    chat.button("Stop", chat.answer("maker")).click()
    expect(chat.answer("maker")).to_have_attribute("data-status", "cancelled")
    expect(chat.answer("maker")).to_contain_text("one two")
    gate.set()
    chat.expect_done("sage", "muse")
    expect(chat.button("merge the answers of The Sage and The Muse")).to_be_visible()
    chat.button("Retry", chat.answer("maker")).click()
    chat.expect_done("maker")
    expect(chat.answer("maker")).to_contain_text("one two three four.")
    expect(chat.answers).to_have_count(3)
    expect(chat.button("merge them into one")).to_be_visible()
    chat.button("Keep this answer", chat.answer("maker")).click()
    expect(chat.answer("maker").get_by_text("Kept", exact=True)).to_be_visible()


def test_all_answers_are_stopped_by_a_key(chat: Chat, provider: ScriptedProvider) -> None:
    gate = provider.hold("all", "one ", "two three.")
    chat.send("Stop all <<all>>")
    for mind in MINDS:
        expect(chat.answer(mind)).to_contain_text("one")
    chat.page.keyboard.press("Escape")
    for mind in MINDS:
        expect(chat.answer(mind)).to_have_attribute("data-status", "cancelled")
    gate.set()


def test_the_best_answer_is_kept(chat: Chat) -> None:
    chat.send("Choose")
    chat.expect_done()
    chat.button("Keep this answer", chat.answer("muse")).click()
    expect(chat.answer("muse").get_by_text("Kept", exact=True)).to_be_visible()
    expect(chat.pane("sage")).to_contain_text("Continues from the answer of The Muse")
    chat.page.reload()
    expect(chat.answer("muse").get_by_text("Kept", exact=True)).to_be_visible()


def test_the_answers_are_merged(chat: Chat) -> None:
    chat.send("Merge")
    chat.expect_done()
    chat.button("merge them into one").click()
    merged = chat.page.locator('.merge [data-role="assistant"]')
    expect(merged).to_have_attribute("data-status", "completed")
    expect(merged).to_contain_text("Manager: A short answer.")
    expect(merged.get_by_text("Kept", exact=True)).to_be_visible()
    expect(chat.pane("maker")).to_contain_text("Continues from the answer of The Manager")


def test_conversations_are_renamed_searched_and_deleted(chat: Chat) -> None:
    chat.send("Giraffes and their necks", to="sage")
    chat.expect_done("sage")
    item = chat.page.locator(".conversation", has_text="Giraffes")
    item.hover()
    item.get_by_role("button", name=re.compile("^Rename")).click()
    chat.page.get_by_label("Title", exact=True).fill("Tall animals")
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("heading", name="Tall animals")).to_be_visible()
    search = chat.page.get_by_role("searchbox")
    search.fill("necks")
    expect(chat.page.locator(".conversation")).to_have_count(1)
    search.fill("zebra")
    expect(chat.page.get_by_text("Nothing found.")).to_be_visible()
    search.fill("")
    item = chat.page.locator(".conversation", has_text="Tall animals")
    item.hover()
    item.get_by_role("button", name=re.compile("^Delete")).click()
    chat.button("Delete", chat.page.locator(".confirm")).click()
    expect(chat.page.locator(".conversation")).to_have_count(0)
    expect(chat.page.get_by_role("heading", name="New conversation")).to_be_visible()


def test_a_link_opens_a_conversation(chat: Chat) -> None:
    chat.send("Link me", to="sage")
    chat.expect_done("sage")
    address = chat.page.url
    chat.page.goto(chat.url)
    chat.page.goto(address)
    expect(chat.answer("sage")).to_contain_text("Sage: A short answer.")
    chat.page.goto(f"{address[:-4]}0000")
    expect(chat.page.get_by_text("There is no such conversation")).to_be_visible()
    expect(chat.page.get_by_role("heading", name="Not found")).to_be_visible()


def test_signing_out_ends_the_session(chat: Chat) -> None:
    chat.button("Sign out").click()
    expect(chat.page.get_by_label("API key")).to_be_visible()
    chat.page.reload()
    expect(chat.page.get_by_label("API key")).to_be_visible()
