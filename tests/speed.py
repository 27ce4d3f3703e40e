"""Marks each test by its speed, which follows from its folder and its fixtures."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# What is in none of these folders is `integration`; so is what loads LiteLLM, which takes 3 to 5 s.
FOLDERS = {
    "tests/unit/tasks/llm/": "integration",
    "tests/unit/": "unit",
    "tests/acceptance/": "acceptance",
    "tests/chaos/": "chaos",
}
# They start a process or a server: a test that uses one is not `unit`, wherever it is.
SLOW_FIXTURES = {"fresh_python", "npm_packages"}
# What Python's audit hooks report when it starts a process.
_STARTS = {"subprocess.Popen", "os.system", "os.fork", "os.posix_spawn"}


def marker(item: pytest.Item) -> str:
    """The test's one marker of speed."""
    name = _of_folder(item.nodeid)
    slow = name == "unit" and SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ()))
    return "integration" if slow else name


def is_left_out(path: Path, config: pytest.Config) -> bool:
    """Whether `-m unit` does without this file or folder: importing them all takes longest."""
    if config.option.markexpr != "unit":
        return False
    name = path.relative_to(config.rootpath).as_posix() + ("/" if path.is_dir() else "")
    return _of_folder(name) != "unit" and not "tests/unit/".startswith(name)


def _of_folder(name: str) -> str:
    return next((it for folder, it in FOLDERS.items() if name.startswith(folder)), "integration")


class UnitTests:
    """Fails a unit test that starts a process: it belongs under another marker."""

    def __init__(self) -> None:
        self._running = False
        sys.addaudithook(self._audit)  # for good: none can be removed

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._running = item.get_closest_marker("unit") is not None
        try:
            return (yield)
        finally:
            self._running = False

    def _audit(self, event: str, _: object) -> None:
        if self._running and event in _STARTS:
            raise RuntimeError(f"A unit test must not start a process: see {__file__}")
