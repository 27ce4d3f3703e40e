"""Which variables are set: the environment overrides .env.local, which overrides .env."""

from pathlib import Path

import pytest

from app.cli.local.environ import read_environment


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "CPU_WORKERS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_files_count_and_the_local_one_wins(folder: Path) -> None:
    (folder / ".env").write_text("OPENAI_API_KEY=one\nCPU_WORKERS=3\n")
    (folder / ".env.local").write_text("OPENAI_API_KEY=two\n")
    found = read_environment()
    assert (found["OPENAI_API_KEY"], found["CPU_WORKERS"]) == ("two", "3")


def test_the_real_environment_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env.local").write_text("OPENAI_API_KEY=file\n")
    monkeypatch.setenv("OPENAI_API_KEY", "real")
    assert read_environment()["OPENAI_API_KEY"] == "real"


def test_what_is_empty_is_not_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("OPENAI_API_KEY=file\n")
    (folder / ".env.local").write_text("OPENAI_API_KEY=\n")
    monkeypatch.setenv("OPENAI_API_KEY", "")
    monkeypatch.setenv("CPU_WORKERS", "")
    assert read_environment()["OPENAI_API_KEY"] == "file"
    monkeypatch.setenv("OPENAI_API_KEY", " \n")
    assert read_environment()["OPENAI_API_KEY"] == "file"
    assert "CPU_WORKERS" not in read_environment()


def test_the_case_of_our_variables_does_not_count(folder: Path) -> None:
    (folder / ".env").write_text("openai_api_key=lower\n")
    assert read_environment()["OPENAI_API_KEY"] == "lower"
