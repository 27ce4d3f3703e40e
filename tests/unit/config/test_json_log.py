"""JSON logs: whatever a process writes, and however it ends, each line is one object."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
BEGIN = """
from config.logging import begin_logging
from config.process import name_process
name_process('worker')
begin_logging()
"""


def lines_of(script: str, **environ: str) -> list[dict[str, Any]]:
    """What a process that runs the script writes, to both of its streams."""
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", BEGIN + script],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LOG_FORMAT": "json"} | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


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
def test_each_line_is_an_object_that_names_the_process(script: str, said: str) -> None:
    lines = lines_of(script)

    assert any(said in line["event"] + line.get("exception", "") for line in lines)
    for line in lines:
        assert {"event", "level", "timestamp", "pid"} <= line.keys()
        assert (line["process"], line["request_id"], line["user_id"]) == ("worker", None, None)


def test_an_uncaught_error_is_one_line_with_its_traceback() -> None:
    [line] = lines_of("def broken(): raise ValueError('bad')\nbroken()")
    assert line["level"] == "critical"
    assert "in broken" in line["exception"]


def test_a_wrong_setting_is_told_as_json() -> None:
    lines = lines_of("from config.settings import settings_or_exit; settings_or_exit()")
    assert lines[0]["event"] == "trimind cannot start:"
    assert [line["event"].split(":")[0] for line in lines[1:]] == [
        "DATABASE_URL",
        "REDIS_URL",
        "SHARED_SECRET",
    ]


def test_no_password_is_in_a_traceback() -> None:
    [line] = lines_of("raise ValueError('postgresql://me:hidden@db/app')")
    assert "hidden" not in json.dumps(line)


def test_the_format_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("log_format=' json '\n")
    script = f"import os; os.chdir({str(tmp_path)!r}); begin_logging(); print('one')"
    [line] = lines_of(script, LOG_FORMAT=" ")
    assert (line["process"], line["event"]) == ("worker", "one")


def test_a_log_that_can_not_be_written_ends_nothing(tmp_path: Path) -> None:
    script = (
        "import logging, sys\n"
        "for _ in range(3): logging.getLogger().warning('lost'); print('lost')\n"
        f"open({str(tmp_path / 'end')!r}, 'w').write('here')\n"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", BEGIN + script],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LOG_FORMAT": "json"},
            stdout=full,
            stderr=full,
        )
    assert (done.returncode, (tmp_path / "end").read_text()) == (0, "here")
