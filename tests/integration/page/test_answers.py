"""How an answer is written out, and the receipt behind it."""

import re

from playwright.sync_api import expect

from .chat import Chat
from .provider import ScriptedProvider

PROSE = (
    "The harbour of the little town is very quiet in the early morning, and the boats are back. "
    "Gulls stand on the wall, and wait for what the fishermen leave. A baker opens at six. "
) * 4 + "What do the people there live from?"
ROWS = "".join(f"| {number} | row {number} |\n" for number in range(1, 61))
WORDS = " ".join(f"Word{number}" for number in range(1000))
ITEMS = "".join(f"{number}. Item {number}\n    - a part of it\n" for number in range(1, 61))

TABLE = f"| n | what |\n| :-: | --- |\n{ROWS}"
LOOSE = "".join(f"{number}. One\n\n   ```\n   code {number}\n   ```\n\n" for number in range(1, 30))
CODE = "```\none\ntwo\n```\n"
TEXTS = {
    "list": f"{ITEMS}\nAfter it.\n\n- one\n- two\n",
    "list with blocks": f"{LOOSE}The end.",
    "list of another kind below": f"{ITEMS}- {WORDS}\n",
    "tasks": "- [x] done\n- [ ] open\n" * 30,
    "table": f"{TABLE}\n## Title\n\n> A quote\n\n{CODE}",
    "paragraph": f"{WORDS}\n\n---\n\n{WORDS}",
    "lines": "**Line** of `code`  \nand words\n" * 200,
    "everything": f"{TABLE}\n{ITEMS}\n{WORDS}\n\n{CODE}\n",
}
# What only the whole text tells: items have paragraphs, a paragraph is a title, a link's address.
TOLD_LATER = {
    "loose list": "- one\n" * 60 + "\n- two\n",
    "title": f"{WORDS}\n===\n",
    "definition": f"{ITEMS}61. See [this][1].\n\n[1]: https://example.org\n",
}
# Grows a text by pieces of a size: whether it is what drawing the whole text gives, and whether
# what was drawn first is still there.
GROW = """async ([text, size]) => {
  const { src } = document.querySelector("script[type=module]");
  const imported = (name) => import(new URL(name, src));
  const { GrowingMarkdown } = await imported("growing.js");
  const { blocksOf, fill, htmlOf } = await imported("markdown.js");
  const [grown, whole] = [document.createElement("div"), document.createElement("div")];
  document.body.append(grown);
  const markdown = new GrowingMarkdown(grown);
  for (let at = 0; at < text.length; at += size) markdown.append(text.slice(at, at + size));
  const first = grown.querySelector(".block > *");
  markdown.finish("");
  const isStillThere = first.isConnected;
  grown.remove();
  fill(whole, htmlOf(blocksOf(text)));
  const blocks = [...grown.querySelectorAll(".block")].flatMap((block) => [...block.childNodes]);
  const joined = document.createElement("div");
  joined.append(...blocks);
  for (const each of [joined, whole]) each.normalize();
  return [joined.innerHTML === whole.innerHTML, isStillThere];
}"""


def test_an_answer_that_has_grown_is_what_drawing_it_whole_gives(chat: Chat) -> None:
    for size in (16, 400):
        for name, text in TEXTS.items():
            assert chat.page.evaluate(GROW, [text, size]) == [True, True], (name, size)
        for name, text in TOLD_LATER.items():
            assert chat.page.evaluate(GROW, [text, size])[0], (name, size)


def test_the_model_that_is_picked_answers(chat: Chat) -> None:
    models = chat.page.get_by_role("combobox", name="Model")
    picked = models.locator("option", has_text="openai/").last.inner_text()
    models.select_option(picked)
    chat.send("Who are you?", to="sage")
    chat.expect_done("sage")
    receipt = chat.answer("sage").locator(".receipt")
    receipt.locator("summary").click()
    expect(receipt).to_contain_text(f"{picked} chosen by you")


def test_the_receipt_says_what_was_decided(chat: Chat) -> None:
    chat.send("Receipt", to="sage")
    chat.expect_done("sage")
    chat.answer("sage").locator("summary").click()
    receipt = chat.answer("sage").locator(".receipt")
    for text in ("question (90 % sure)", "openai/gpt-5.4-mini", "because of the intent question"):
        expect(receipt).to_contain_text(text)
    expect(receipt).to_contain_text(re.compile(r"Tokens\s*\d+ in, 2\d out"))


def test_what_compression_cut_is_struck_through(chat: Chat) -> None:
    chat.send(PROSE, to="sage")
    chat.expect_done("sage")
    receipt = chat.answer("sage").locator(".receipt")
    receipt.locator("summary").click()
    expect(receipt).to_contain_text(re.compile(r"Compressed\s*\d+ to \d+ tokens extractive"))
    chat.button("Show what was cut", receipt).click()
    cut = receipt.locator("del")
    expect(cut.first).to_be_visible()
    assert 0.2 < len("".join(cut.all_inner_texts())) / len(PROSE) < 0.8
    expect(receipt).to_contain_text("What do the people there live from?")


def test_what_a_model_writes_is_shown_and_never_run(chat: Chat, provider: ScriptedProvider) -> None:
    provider.say(
        "attack",
        "<script>window.attacked = 1</script>\n\n",
        '<img src="x" onerror="window.attacked = 2"> and <b onclick="attacked = 3">bold</b>\n\n',
        "[click](javascript:window.attacked=4) ![pixel](https://tracker.example/p.png)\n\n",
        "```html\n<script>window.attacked = 5</script>\n```\n",
    )
    chat.send("Attack <<attack>>", to="sage")
    chat.expect_done("sage")
    answer = chat.answer("sage").locator(".markdown")
    expect(answer).to_contain_text("<script>window.attacked = 1</script>")
    expect(answer.locator("script, img, b, [onclick], [onerror]")).to_have_count(0)
    hrefs = [link.get_attribute("href") for link in answer.locator("a").all()]
    assert hrefs == ["https://tracker.example/p.png"]
    expect(answer.locator("pre code")).to_contain_text("window.attacked = 5")
    assert chat.page.evaluate("() => window.attacked ?? null") is None


def test_code_is_coloured_and_copied(chat: Chat, provider: ScriptedProvider) -> None:
    provider.say("code", "Here:\n\n```python\n", "def f():\n", "    return 1\n", "```\n")
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=chat.url)
    chat.send("Code <<code>>", to="sage")
    chat.expect_done("sage")
    code = chat.answer("sage").locator("pre code")
    expect(code.locator(".hljs-keyword").first).to_have_text("def")
    chat.button("Copy", chat.answer("sage").locator(".code")).click()
    expect(chat.button("Copied", chat.answer("sage").locator(".code"))).to_be_visible()
    assert chat.page.evaluate("() => navigator.clipboard.readText()") == "def f():\n    return 1"


def test_a_long_block_of_code_is_coloured_to_its_end(
    chat: Chat, provider: ScriptedProvider
) -> None:
    note = '"""' + "a line\n" * 100 + '"""\n'
    lines = note + "def f():\n    return 1\n" * 400
    provider.say("long-code", "\n\n```python\n", lines, "```\n")
    chat.send("Code <<long-code>>", to="sage")
    chat.expect_done("sage")
    code = chat.answer("sage").locator("pre code")
    expect(code.locator(".hljs-keyword")).to_have_count(800)
    expect(code.locator(".hljs-string")).to_have_count(1)
    assert code.evaluate("(element) => element.textContent") == lines


def test_a_long_list_is_one_list_in_the_end(chat: Chat, provider: ScriptedProvider) -> None:
    gate = provider.hold("list", f"\n\n{ITEMS}", "61. See [this][1].\n\n[1]: https://example.org\n")
    chat.send("List <<list>>", to="sage")
    answer = chat.answer("sage").locator(".markdown")
    expect(answer).to_contain_text("Item 60")
    top_items = answer.locator(":not(li) > ol > li")
    expect(top_items).to_have_count(60)
    gate.set()
    chat.expect_done("sage")
    expect(top_items).to_have_count(61)
    expect(answer.locator("ol")).to_have_count(1)
    expect(answer.locator("a")).to_have_attribute("href", "https://example.org")


def test_a_long_table_has_the_same_columns_throughout(
    chat: Chat, provider: ScriptedProvider
) -> None:
    head = "\n\n| n | what |\n| --- | --- |\n"
    gate = provider.hold("table", f"{head}{ROWS}", "| 61 | the end |\n\nDone.\n")
    chat.send("Table <<table>>", to="sage")
    answer = chat.answer("sage").locator(".markdown")
    expect(answer).to_contain_text("row 60")
    expect(answer.locator("tbody tr")).to_have_count(60)
    expect(answer.locator("thead")).to_have_count(1)
    expect(answer.locator("table").nth(1)).to_be_attached()
    columns = "(cells) => [...new Set(cells.map((cell) => Math.round(cell.offsetLeft)))].length"
    assert answer.locator("td:last-child").evaluate_all(columns) == 1
    gate.set()
    chat.expect_done("sage")
    expect(answer.locator("table")).to_have_count(1)
    expect(answer.locator("tbody tr")).to_have_count(61)
    expect(answer.locator("p").last).to_have_text("Done.")


def test_a_long_paragraph_is_one_paragraph_in_the_end(
    chat: Chat, provider: ScriptedProvider
) -> None:
    gate = provider.hold("long", f"\n\n{WORDS}", " and **the** end.")
    chat.send("Go on <<long>>", to="sage")
    answer = chat.answer("sage").locator(".markdown")
    expect(answer).to_contain_text("Word999")
    expect(answer.locator("p")).not_to_have_count(2)
    gate.set()
    chat.expect_done("sage")
    expect(answer.locator("p")).to_have_count(2)
    expect(answer.locator("p").last).to_have_text(f"{WORDS} and the end.")


def test_what_is_selected_stays_selected_when_the_answer_ends(
    chat: Chat, provider: ScriptedProvider
) -> None:
    gate = provider.hold(
        "select", "Select me.\n\n```python\ndef f():\n", "    return 1\n```\n\nEnd."
    )
    chat.send("Select <<select>>", to="sage")
    expect(chat.answer("sage").locator("code")).to_contain_text("def f()")
    paragraph = chat.answer("sage").locator("p").first
    paragraph.evaluate("(element) => getSelection().selectAllChildren(element)")
    gate.set()
    chat.expect_done("sage")
    expect(chat.answer("sage").locator(".hljs-keyword")).to_have_count(2)
    assert chat.page.evaluate("() => getSelection().toString()") == "Sage: Select me."
