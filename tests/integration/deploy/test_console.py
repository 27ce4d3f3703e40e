import io
import json
import threading
import time

import pytest

from deploy.embedded.console import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_carry_their_service_in_its_colour_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    console = Console(terminal, width=6)

    console("web", "hello")
    console("redis", "ready")

    first, second = terminal.getvalue().splitlines()
    assert first == "\x1b[36mweb    |\x1b[0m hello"
    assert second.startswith("\x1b[33mredis  |")


def test_there_is_no_colour_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()

    Console(terminal)("web", "hello")

    assert terminal.getvalue() == "web        | hello\n"


def test_there_is_no_colour_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = io.StringIO()

    Console(file)("web", "hello")

    assert "\x1b" not in file.getvalue()


def test_a_closed_stream_is_no_error() -> None:
    file = io.StringIO()
    console = Console(file)
    file.close()

    console("web", "hello")


def test_it_waits_for_running_writes() -> None:
    file = io.StringIO()
    console = Console(file)
    lines = [f"line {number}" for number in range(5)]

    def talk() -> None:
        for line in lines:
            time.sleep(0.02)
            console("worker", line)

    talker = threading.Thread(target=talk)
    console("worker", "first")
    talker.start()
    console.wait_for_quiet(for_s=0.5, within_s=10)
    console("trimind", "last")
    talker.join()

    assert file.getvalue().splitlines()[-1].endswith("last")
    assert len(file.getvalue().splitlines()) == len(lines) + 2


def test_it_waits_for_somebody_who_never_ends_no_longer_than_it_says() -> None:
    console = Console(io.StringIO())
    console("worker", "first")

    console.wait_for_quiet(for_s=3600, within_s=0.1)


def test_as_json_each_line_is_an_object_that_names_its_service() -> None:
    file = io.StringIO()
    console = Console(file, as_json=True)

    console("postgres", 'LOG:  ready "now"')
    console("web", '{"event": "request", "process": "web", "level": "info"}')
    console("redis", "42")

    postgres, web, redis = map(json.loads, file.getvalue().splitlines())
    assert (postgres["process"], postgres["event"]) == ("postgres", 'LOG:  ready "now"')
    assert web == {"event": "request", "process": "web", "level": "info"}
    assert (redis["process"], redis["event"]) == ("redis", "42")
    assert {"level", "timestamp"} <= postgres.keys()
