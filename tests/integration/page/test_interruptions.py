"""Answers go on whatever happens meanwhile, and other tabs show the same."""

from playwright.sync_api import expect

from .chat import Chat
from .conftest import Site
from .provider import ScriptedProvider


def test_an_answer_goes_on_after_a_reload(chat: Chat, provider: ScriptedProvider) -> None:
    gate = provider.hold("reload", "first half, ", "second half.")
    chat.send("Reload me <<reload>>")
    expect(chat.answer("muse")).to_contain_text("first half,")
    chat.page.reload()
    expect(chat.answer("muse")).to_contain_text("first half,")
    gate.set()
    chat.expect_done()
    expect(chat.answer("muse").locator(".markdown")).to_have_text("Muse: first half, second half.")


def test_an_answer_goes_on_after_a_restart_of_the_server(
    chat: Chat, provider: ScriptedProvider, site: Site
) -> None:
    gate = provider.hold("restart", "first half, ", "second half.")
    chat.send("Restart <<restart>>")
    expect(chat.answer("sage")).to_contain_text("first half,")
    site.kill_web()
    expect(chat.page.get_by_text("Connection lost. Reconnecting…")).to_be_visible()
    gate.set()
    site.start_web()
    chat.expect_done()
    expect(chat.page.get_by_text("Connection lost. Reconnecting…")).to_have_count(0)
    expect(chat.answer("sage").locator(".markdown")).to_have_text("Sage: first half, second half.")


def test_an_answer_goes_on_after_redis_was_emptied(
    chat: Chat, provider: ScriptedProvider, site: Site
) -> None:
    gate = provider.hold("flush", "first half, ", "second half.")
    chat.send("Flush <<flush>>")
    expect(chat.answer("maker")).to_contain_text("first half,")
    with site.redis() as redis:
        redis.flushdb()
    gate.set()
    chat.expect_done()
    whole = "Maker: first half, second half."
    expect(chat.answer("maker").locator(".markdown")).to_have_text(whole)


def test_two_tabs_show_the_same(chat: Chat, provider: ScriptedProvider) -> None:
    gate = provider.hold("tabs", "here ", "and there.")
    chat.send("First")
    chat.expect_done()
    other = Chat(chat.page.context.new_page(), chat.url)
    other.page.goto(chat.page.url)
    other.expect_done()
    chat.send("Second <<tabs>>")
    expect(other.answer("sage")).to_contain_text("Sage: here")
    gate.set()
    other.expect_done()
    expect(other.answer("sage").locator(".markdown")).to_have_text("Sage: here and there.")
    assert other.errors == []
