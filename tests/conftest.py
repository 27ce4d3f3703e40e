"""Fixtures of all tests, and how several processes share a run and end it."""

import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import settings
from structlog._config import BoundLoggerLazyProxy

from app.cli.local.parent import end_with_parent

from . import ending, leftovers, sharing, speed
from .fresh_python import FreshPython, run
from .npm import Packages, install

if TYPE_CHECKING:
    from playwright.sync_api import Page

# A busy machine makes no property false; durations are measured in bench/.
settings.register_profile("trimind", deadline=None)
settings.load_profile("trimind")
# Tracebacks as in production, which has no rich: it would take 0.2 s for each.
_PLAIN = structlog.dev.ConsoleRenderer(
    colors=False, exception_formatter=structlog.dev.plain_traceback
)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _PLAIN])

DEADLINE_S = 30.0
OURS = ("app.", "tasks.", "models.", "config.")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--with-parent", action="store_true", help="end when the parent process dies")


def pytest_configure(config: pytest.Config) -> None:
    ending.listen(config)
    if config.option.with_parent and not hasattr(config, "workerinput"):
        end_with_parent()
    leftovers.watch()
    config.pluginmanager.register(speed.UnitTests())
    if worker := getattr(config, "workerinput", None):
        config.pluginmanager.register(sharing.Alone(worker["testrunuid"]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """The number of processes for `-n auto`: tests mostly wait."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    config.option.loadscopereorder = False  # by number of tests, which says little
    return sharing.Sharing(config, log)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    # It installs the whole program twice more; `make images` runs it.
    is_of_images = collection_path.name == "test_images.py" and "IMAGES" not in os.environ
    return is_of_images or speed.is_left_out(collection_path, config) or None


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(speed.marker(item))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        sharing.put_in_order(items)


def pytest_collection_finish() -> None:
    # What is loaded by now stays: no later collection of garbage needs to walk through it.
    gc.freeze()


def wait_until(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    """Poll until the condition holds; fail, naming it, once the deadline has passed."""
    end = time.monotonic() + deadline_s
    pause = 0.01
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{condition} did not hold within {deadline_s:.0f} s")
        time.sleep(pause)
        pause = min(0.2, pause * 1.5)


@pytest.fixture
def until() -> Callable[..., None]:
    """`until(condition, deadline_s)`: wait for a condition instead of a fixed time."""
    return wait_until


@pytest.fixture
def together() -> Callable[..., list[object]]:
    """`together(n, work)`: the results of `work` in n threads that start at the same moment."""

    def run(count: int, work: Callable[[], object]) -> list[object]:
        gate = threading.Barrier(count, timeout=10)

        def once() -> object:
            gate.wait()
            return work()

        with ThreadPoolExecutor(count) as pool:
            return [done.result(DEADLINE_S) for done in [pool.submit(once) for _ in range(count)]]

    return run


@pytest.fixture(scope="session")
def fresh_python() -> FreshPython:
    """`fresh_python(code, *flags, env, check)`: run the code in a new interpreter."""
    return run


@pytest.fixture(scope="session")
def npm_packages() -> Packages:
    """Commands from npm, installed once on this machine."""
    return install()


@pytest.fixture(scope="session")
def browser_address(npm_packages: Packages) -> Iterator[str]:
    """The address at which a headless browser accepts Playwright."""
    from .browser import running_browser  # no test but a browser's needs Playwright

    with running_browser(npm_packages, wait_until) as address:
        yield address


@pytest.fixture
def page(browser_address: str) -> Iterator["Page"]:
    """An empty page of 1280 x 800 in a fresh browser profile."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.connect_over_cdp(browser_address)
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        yield context.new_page()
        context.close()


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Restore the logging setup, which commands that run in this process change."""
    root = logging.getLogger()
    level, config = root.level, structlog.get_config()
    handlers = [handler for handler in root.handlers if not _of_pytest(handler)]
    yield
    root.setLevel(level)
    root.handlers[:] = [*filter(_of_pytest, root.handlers), *handlers]
    if structlog.get_config() != config:
        structlog.configure(**config)
        _forget_loggers()


def _forget_loggers() -> None:
    """Undo `cache_logger_on_first_use`: loggers that were used keep the setup of that moment."""
    ours = (module for name, module in list(sys.modules.items()) if name.startswith(OURS))
    for value in [value for module in ours for value in vars(module).values()]:
        if isinstance(value, BoundLoggerLazyProxy):
            vars(value).pop("bind", None)


def _of_pytest(handler: logging.Handler) -> bool:
    return type(handler).__module__.startswith("_pytest")
