"""A pane of the page that takes 10,000 pieces of an answer, 200 a second: `python -m bench.page`.

A browser without a window renders the page's own component, for an answer of all kinds of blocks
and for one that is a single block of a kind; `python -m bench.page list table` measures some. Each
quarter of the pieces is measured alone: a pane that grew slower would show it in the last.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from playwright.sync_api import CDPSession, Page, sync_playwright

from app.web.assets import STATIC
from bench.figures import figure, group, ratio
from tests.browser import running_browser
from tests.conftest import wait_until
from tests.npm import install

PIECES, A_SECOND, QUARTERS = 10_000, 200, 4
# A frame is late if it comes after one and a half times a frame's time at 60 Hz.
LATE_MS = 25
SETUP = """async () => {
  const { html, render } = await import("/ui.js");
  const { Pane } = await import("/pane.js");
  const { Job } = await import("/conversation.js");
  const names = ["intent", "compress", "generate", "persist"];
  const stages = names.map((name) => ({ name, status: "pending", ms: null }));
  const job = new Job({ id: "job_1", mind: "sage", status: "in_progress", output: null, stages,
    created_at: new Date().toISOString(), usage: {} });
  const mind = { id: "sage", title: "The Sage" };
  const turns = [{ key: "1", message: { content: "Write a long answer." }, job }];
  const style = Object.assign(document.createElement("link"), { rel: "stylesheet" });
  style.href = "/page.css";
  document.head.append(style);
  document.body.innerHTML = "";
  render(html`<${Pane} mind=${mind} index=${0} turns=${turns} act=${() => {}} />`, document.body);
  Object.assign(window, { job, frames: [] });
  let before = performance.now();
  const frame = (now) => {
    frames.push(now - before);
    before = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""
FEED = """([pieces, aSecond]) => new Promise((done) => {
  window.frames = [];
  const began = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.min(pieces.length, Math.ceil(((performance.now() - began) * aSecond) / 1000));
    while (sent < due) job.take({ type: "job.delta", text: pieces[sent++] });
    if (sent === pieces.length) {
      clearInterval(timer);
      done(frames);
    }
  }, 4);
})"""
END = """() => new Promise((done) => {
  window.frames = [];
  job.update({ ...job.body.value, status: "completed", output: job.text,
    completed_at: new Date().toISOString(),
    usage: { input_tokens: 1, output_tokens: 1, cost_usd: "0" } });
  setTimeout(() => done(frames), 1000);
})"""
PART = """## Part {0}

A paragraph with **strong** words, `code` and a [link](https://example.org), which goes on for a
while, as the paragraphs of a model do, and then ends.

1. One thing, and why it matters.
2. Another thing, with a `name`.

| a | b |
| --- | --- |
| {0} | twice {0} |

```python
def part_{0}(values):
    return [value * {0} for value in values if value]
```

"""
FUNCTION = """def part_{0}(values):
    return [value * {0} for value in values if value]


"""
ITEM = "{0}. A thing with **strong** words and `code`, and why it matters.\n"
ROW = "| {0} | a thing with `code` | and why it **matters**, in some more words |\n"
SENTENCE = "Sentence {0} has **strong** words and `code`, and says why it matters. "


def repeated(template: str) -> str:
    """More than enough text, from one piece of it."""
    return "".join(template.format(number) for number in range(1, 1200))


TEXTS = {
    "all": repeated(PART),
    "code": "```python\n" + repeated(FUNCTION),
    "list": repeated(ITEM),
    "table": "| n | what | why |\n| --- | --- | --- |\n" + repeated(ROW),
    "paragraph": repeated(SENTENCE),
}


def main(*kinds: str) -> None:
    """Print how many frames a second each quarter of the pieces had, and what they cost."""
    with (
        serving() as url,
        running_browser(install(), wait_until) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.connect_over_cdp(address)
        for name in kinds or TEXTS:
            page = browser.new_page()
            page.goto(f"{url}/page.html")
            page.evaluate(SETUP)
            measure(page, name, pieces_of(TEXTS[name])[:PIECES])
            page.close()


def measure(page: Page, name: str, pieces: list[str]) -> None:
    """Feed an answer, end it, and print what it took."""
    session = page.context.new_cdp_session(page)
    # The CPU time of the page's thread: what other work on the machine takes is not in it.
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    quarter = PIECES // QUARTERS
    parts = [
        measured(page, session, name, pieces[at : at + quarter]) for at in range(0, PIECES, quarter)
    ]
    group(f"{name}, the end of the answer")
    figure("longest frame", max(page.evaluate(END)), "ms")
    ratio("last quarter to first", parts[-1], parts[0])


def measured(page: Page, session: CDPSession, name: str, pieces: list[str]) -> float:
    """Feed these pieces and print what it took; returns the milliseconds of all work a frame."""
    before, began = busy_s(session), time.monotonic()
    frames: list[float] = page.evaluate(FEED, [pieces, A_SECOND])
    seconds = time.monotonic() - began
    spent = {key: (at - before[key]) * 1000 / seconds for key, at in busy_s(session).items()}
    layout = spent["LayoutDuration"] + spent["RecalcStyleDuration"]
    length = page.evaluate("() => job.text.length")
    group(f"{name}, up to {length:,} characters")
    figure("frames a second", len(frames) / seconds)
    figure("longest frame", max(frames), "ms")
    figure("late frames", 100 * sum(ms > LATE_MS for ms in frames) / len(frames), "%")
    figure("script", spent["ScriptDuration"], "ms a second")
    figure("layout and style", layout, "ms a second")
    a_frame = (spent["ScriptDuration"] + layout) * seconds / len(frames)
    figure("script, layout and style", a_frame, "ms a frame")
    return a_frame


def busy_s(session: CDPSession) -> dict[str, float]:
    """The seconds of CPU that the page has spent on each kind of work."""
    metrics: list[dict[str, Any]] = session.send("Performance.getMetrics")["metrics"]
    wanted = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
    return {each["name"]: each["value"] for each in metrics if each["name"] in wanted}


def pieces_of(text: str) -> list[str]:
    """A text in pieces of five characters, about a token each."""
    return [text[at : at + 5] for at in range(0, len(text), 5)]


@contextmanager
def serving() -> Iterator[str]:
    """The address of the page's files."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(STATIC)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
