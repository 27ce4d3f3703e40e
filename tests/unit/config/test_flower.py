"""Flower's settings, read as Flower reads them."""

import os

import pytest

from tests.fresh_python import ROOT, FreshPython

MAX_TASKS = f"""
import flower.options
from tornado.options import options

options.parse_config_file({str(ROOT / "config" / "flower.py")!r}, final=False)
print(options.max_tasks)
"""
ENVIRON = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    "REDIS_URL": "redis://127.0.0.1:9",
    "SHARED_SECRET": "s" * 32,
    "OPENAI_API_KEY": "none",
    "FLOWER_BASIC_AUTH": "flower:a-long-password",
}


@pytest.mark.parametrize(("given", "kept"), [({}, "10000"), ({"FLOWER_MAX_TASKS": "77"}, "77")])
def test_it_keeps_ten_thousand_tasks_unless_a_variable_says_how_many(
    fresh_python: FreshPython, given: dict[str, str], kept: str
) -> None:
    printed = fresh_python(MAX_TASKS, env={**os.environ, **ENVIRON, **given}, check=True).stdout
    assert printed.split() == [kept]
