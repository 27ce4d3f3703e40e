"""A real headless browser, installed without root in the cache folder of tests/npm.py."""

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from .npm import Packages, made_once

Until = Callable[..., None]

# A separate fontconfig, so that pages look the same whatever fonts the machine has.
FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">fonts</dir><cachedir>/tmp</cachedir></fontconfig>
"""
UNPACK = 'import chromium from "@sparticuz/chromium"; await chromium.executablePath();'
QUIETLY = (
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
)


@contextmanager
def running_browser(packages: Packages, until: Until) -> Iterator[str]:
    """A running Chromium, and the address at which Playwright connects to it.

    It runs in a separate process: otherwise Playwright's event loop would run in the tests' thread
    as long as the browser does, and no test could run its own.
    """
    executable, variables = _executable(packages)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        root = ("--no-sandbox",) if os.geteuid() == 0 else ()
        arguments = [*QUIETLY, *root, f"--user-data-dir={profile}", "--remote-debugging-port=0"]
        browser = subprocess.Popen(
            [executable, *arguments],
            env={**os.environ, **variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port = Path(profile) / "DevToolsActivePort"
            until(lambda: browser.poll() is not None or (port.exists() and port.read_text()))
            assert browser.poll() is None, f"{executable} ended with status {browser.returncode}"
            yield f"http://127.0.0.1:{port.read_text().split()[0]}"
        finally:
            browser.terminate()
            browser.wait(30)


def _executable(packages: Packages) -> tuple[str, dict[str, str]]:
    """The path of Chromium's executable and the variables that it needs."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return _playwrights_own(), {}
    folder = made_once(packages.folder / "browser", lambda new: _unpack(packages, new))
    libraries = folder / "al2023" / "lib"
    variables = {"FONTCONFIG_FILE": f"{folder}/fonts.conf", "LD_LIBRARY_PATH": str(libraries)}
    return str(folder / "chromium"), variables


def _unpack(packages: Packages, folder: Path) -> None:
    """Unpack Chromium and its libraries, which servers lack."""
    brings_libraries: dict[str, Any] = {"AWS_LAMBDA_JS_RUNTIME": "nodejs22.x"}
    command = ("node", "--input-type=module", "--eval", UNPACK)
    unpacked = packages.run(*command, TMPDIR=str(folder), **brings_libraries)
    assert unpacked.returncode == 0, unpacked.stderr
    (folder / "fonts.conf").write_text(FONTS)


def _playwrights_own() -> str:
    command = [sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]
    subprocess.run(command, check=True, timeout=300)
    with sync_playwright() as playwright:
        return playwright.chromium.executable_path
