"""A clean environment, without `.env`."""

from pathlib import Path

import pytest

from config.settings import Settings


@pytest.fixture(scope="session")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(autouse=True)
def no_variables(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, empty_folder: Path
) -> None:
    """A process without any configuration, in an empty folder: the test's own if it has one."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    own = "tmp_path" in request.fixturenames
    monkeypatch.chdir(request.getfixturevalue("tmp_path") if own else empty_folder)
