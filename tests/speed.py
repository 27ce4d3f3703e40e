"""Marks each test by its speed, which follows from its folder and its fixtures."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

# What is in none of these folders is `integration`; so is what loads LiteLLM, which takes 3 to 5 s.
FOLDERS = {
    "tests/unit/tasks/llm/": "integration",
    "tests/unit/": "unit",
    "tests/acceptance/": "acceptance",
    "tests/chaos/": "chaos",
}
# They start a process or a server: a test that uses one is not `unit`, wherever it is.
SLOW_FIXTURES = {"fresh_python", "issuer", "new_server", "npm_packages"}
# What starts a process, and is replaced during a unit test. An audit hook would see them all, but
# each hook makes it likelier that a thread dies as it starts: up to Python 3.11 a process can set
# only one trace function at a time (python/cpython#98257), and coverage sets one in each thread.
_STARTS = ((subprocess.Popen, "_execute_child"), (os, "system"), (os, "fork"), (os, "posix_spawn"))


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

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            if item.get_closest_marker("unit"):
                for owner, name in _STARTS:
                    patch.setattr(owner, name, _refuse)
            return (yield)


def _refuse(*_: object, **__: object) -> NoReturn:
    raise RuntimeError(f"A unit test must not start a process: see {__file__}")
