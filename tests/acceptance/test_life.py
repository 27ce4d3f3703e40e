"""`trimind up` restarts with its data, and leaves nothing running, however it ends."""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from deploy.embedded.sessions import Identity

from .conftest import STOP_WITHIN_S, TRIMIND, Stack

Until = Callable[..., None]


def left(family: set[Identity], home: Path) -> list[str]:
    """Those of these processes that still run, and every process of the data folder."""
    alive = [f"process {member.pid}" for member in family if member.alive()]
    return alive + [
        line for line in map(_command, Path("/proc").glob("[0-9]*")) if str(home) in line
    ]


def assert_it_ends_with_how_to_ask(stack: Stack, key: str) -> None:
    """The last lines before the shutdown show the addresses, and never the key."""
    before = stack.output.split("\ntrimind    | stopping")[0]
    *_, title, flower, page, api, demo_key, ask = before.split("\n")
    assert title == "trimind    | serving; press Ctrl-C to stop:"
    assert "  flower  " in flower
    assert f"  page       {stack.url}/#sign-in=tml_" in page
    assert f"  API        {stack.url}/v1 " in api
    assert demo_key.endswith(f"  demo key   in {stack.home / 'demo-key'}")
    assert ask.endswith('ask "What is the capital of France?"')
    assert key not in stack.output


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:  # it has just ended
        return ""


def test_a_second_stack_serves_beside_the_first_and_ends_at_ctrl_c(
    stack: Stack, new_stack: Callable[[], Stack]
) -> None:
    beside = new_stack()
    beside.environ["LOG_FORMAT"] = "json"
    beside.start().wait_for()
    assert beside.answered("Hello from here!")["status"] == "completed"
    assert stack.answered("Hello from there!")["status"] == "completed"
    family = beside.family()
    assert len(family) > 10
    beside.process.send_signal(signal.SIGINT)
    assert beside.wait_for_end() == 0
    assert left(family, beside.home) == []
    assert stack.process.poll() is None
    lines = [json.loads(line) for line in beside.lines]
    processes = {"trimind", "postgres", "redis", "release", "web", "worker", "cpu", "flower"}
    assert processes <= {line["process"] for line in lines}
    assert [line for line in lines if not {"event", "level", "timestamp"} <= line.keys()] == []


def test_it_begins_again_with_the_earlier_jobs_and_a_kill_leaves_nothing(
    new_stack: Callable[[], Stack], until: Until
) -> None:
    stack = new_stack().start()
    key = stack.key
    with stack.client() as client:
        [first] = client.jobs()
    family = stack.family()
    stack.process.send_signal(signal.SIGTERM)
    assert stack.wait_for_end() == 0
    assert left(family, stack.home) == []
    assert_it_ends_with_how_to_ask(stack, key)

    stack.start()
    assert "1 job from earlier" in stack.wait_for("in the database")
    assert stack.key == key
    with stack.client() as client:
        assert client.job(first["id"]) == first
        assert len(client.jobs()) == 2
    family = stack.family()
    stack.process.kill()
    stack.process.wait()
    until(lambda: left(family, stack.home) == [], STOP_WITHIN_S)


def test_it_ends_with_the_make_that_started_it(
    new_stack: Callable[[], Stack], until: Until
) -> None:
    # Like make: a parent that waits, and forwards no signal when it is killed.
    parent = "import subprocess, sys; subprocess.call(sys.argv[1:])"
    stack = new_stack().start(sys.executable, "-c", parent, TRIMIND, "up", "--with-parent")
    stack.wait_for("redis")
    family = stack.family()
    assert len(family) > 3
    os.kill(stack.process.pid, signal.SIGKILL)
    stack.process.wait()
    until(lambda: left(family, stack.home) == [], STOP_WITHIN_S)
