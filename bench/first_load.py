"""The first load of the page, cold cache: `python -m bench.first_load`.

Each load is in a new browser context that has nothing but the session's cookie. Usable means that
the input takes text and the message can be sent.
"""

import time
from statistics import median

from playwright.sync_api import Browser, Locator, Page, StorageState, expect, sync_playwright

from bench.figures import fail_above, figure, group
from bench.stack import stack
from tests.browser import running_browser
from tests.conftest import wait_until
from tests.npm import install

LOADS = 20
MS_AT_MOST, KB_AT_MOST = 1000, 100


def main() -> None:
    """Print how long a first load takes and what it transfers."""
    with (
        stack() as running,
        running_browser(install(), wait_until) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.connect_over_cdp(address)
        session = signed_in(browser, running.web, running.key)
        loads = [load(browser, running.web, session) for _ in range(LOADS)]
    times, sizes = [ms for ms, _ in loads], [size for _, size in loads]
    group(f"{LOADS} first loads, signed in, cold cache")
    figure("usable, first", times[0], "ms", digits=0)
    figure("usable, median", median(times), "ms", digits=0)
    figure("usable, slowest", max(times), "ms", digits=0)
    figure("transferred", max(sizes) / 1000, "kB")
    fail_above(MS_AT_MOST, "The slowest first load", max(times))
    if max(sizes) > KB_AT_MOST * 1000:
        raise SystemExit(f"A first load transfers more than {KB_AT_MOST} kB")


def signed_in(browser: Browser, url: str, key: str) -> StorageState:
    """The cookies of a browser that has signed in."""
    page = browser.new_context().new_page()
    page.goto(url)
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    expect(message(page)).to_be_visible()
    return page.context.storage_state()


def load(browser: Browser, url: str, session: StorageState) -> tuple[float, float]:
    """The milliseconds until the page is usable, and the bytes transferred, headers included."""
    context = browser.new_context(storage_state=session)
    page = context.new_page()
    network = context.new_cdp_session(page)
    received = []
    network.on("Network.loadingFinished", lambda end: received.append(end["encodedDataLength"]))
    network.send("Network.enable")
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    message(page).fill("Hello")
    page.locator("button.primary:enabled").wait_for()
    ms = (time.perf_counter() - began) * 1000
    page.wait_for_load_state("networkidle")
    context.close()
    return ms, sum(received)


def message(page: Page) -> Locator:
    """Where a message is written."""
    return page.get_by_label("Message", exact=True)


if __name__ == "__main__":
    main()
