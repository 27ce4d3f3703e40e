"""JSON logs: each line is one object, whatever a process writes and however it ends."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fresh_python import FreshPython

BEGIN = """
from config.logging import begin_logging
from config.process import name_process
name_process('worker')
begin_logging()
"""

LinesOf = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def lines_of(fresh_python: FreshPython) -> LinesOf:
    """`lines_of(script, **environ)`: what a process that runs it writes to both of its streams."""

    def run(script: str, **environ: str) -> list[dict[str, Any]]:
        env = {"PATH": os.environ["PATH"], "LOG_FORMAT": "json"} | environ
        options = ("-W", "always")
        done = fresh_python(BEGIN + script, *options, env=env, stderr=subprocess.STDOUT)
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("print('one')", "one"),
        ("import sys; sys.stderr.write('one'); sys.stderr.flush()", "one"),
        ("print('one', end='')", "one"),
        ("import click; click.echo('one')", "one"),
        ("import click; click.echo('one', err=True)", "one"),
        ("import click; click.UsageError('no').show()", "Error: no"),
        ("import warnings; warnings.warn('old')", "old"),
        ("import logging; logging.getLogger('a.b').warning('one')", "one"),
        ("import structlog; structlog.get_logger().info('one', two='2')", "one"),
        ("import traceback\ntry: 1/0\nexcept Exception: traceback.print_exc()", "Zero"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit('the reason')", "the reason"),
        ("import threading; threading.Thread(target=lambda: 1 / 0).start()", "ZeroDivisionError"),
        ("class Odd:\n def __del__(self): 1 / 0\nOdd()", "ZeroDivisionError"),
        ("import logging; logging.getLogger().info('%d', 'no number')", "no number"),
        ("import logging; logging.getLogger().info('a\\nb\\u2028c\\ud800\\x1b[2J')", "a\nb\u2028c"),
        ("import asyncio\nasync def f(): asyncio.create_task(g())\nasync def g(): 1/0\n"
         "asyncio.run(f())", "ZeroDivisionError"),
        ("import logging; logging.getLogger().info('a %s', '\\r\\n{\"event\": 1}')", "a \r\n{"),
    ],
)  # fmt: skip
def test_each_line_is_an_object_that_names_the_process(
    lines_of: LinesOf, script: str, said: str
) -> None:
    lines = lines_of(script)

    assert any(said in line["event"] + line.get("exception", "") for line in lines)
    for line in lines:
        assert {"event", "level", "timestamp", "pid"} <= line.keys()
        assert (line["process"], line["request_id"], line["user_id"]) == ("worker", None, None)


def test_an_uncaught_error_is_one_line_with_its_traceback(lines_of: LinesOf) -> None:
    [line] = lines_of("def broken(): raise ValueError('bad')\nbroken()")
    assert line["level"] == "critical"
    assert "in broken" in line["exception"]


def test_a_wrong_setting_is_reported_as_json(lines_of: LinesOf) -> None:
    lines = lines_of("from config.settings import settings_or_exit; settings_or_exit()")
    assert lines[0]["event"] == "trimind cannot start:"
    assert [line["event"].split(":")[0] for line in lines[1:]] == [
        "DATABASE_URL",
        "REDIS_URL",
        "SHARED_SECRET",
    ]


def test_no_password_is_in_a_traceback(lines_of: LinesOf) -> None:
    [line] = lines_of("raise ValueError('postgresql://me:hidden@db/app')")
    assert "hidden" not in json.dumps(line)


def test_the_format_may_stand_in_a_file(lines_of: LinesOf, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("log_format=' json '\n")
    script = f"import os; os.chdir({str(tmp_path)!r}); begin_logging(); print('one')"
    [line] = lines_of(script, LOG_FORMAT=" ")
    assert (line["process"], line["event"]) == ("worker", "one")


def test_a_log_that_can_not_be_written_ends_nothing(
    fresh_python: FreshPython, tmp_path: Path
) -> None:
    script = (
        "import logging, sys\n"
        "for _ in range(3): logging.getLogger().warning('lost'); print('lost')\n"
        f"open({str(tmp_path / 'end')!r}, 'w').write('here')\n"
    )
    with open("/dev/full", "w") as full:
        env = {"PATH": os.environ["PATH"], "LOG_FORMAT": "json"}
        done = fresh_python(BEGIN + script, env=env, stdout=full, stderr=full)
    assert (done.returncode, (tmp_path / "end").read_text()) == (0, "here")
