"""Flower's settings, read as Flower reads them."""

import os

import pytest

from deploy.embedded.ports import free_port
from tests.fresh_python import ROOT, FreshPython

MAX_TASKS = f"""
import flower.options
from tornado.options import options

options.parse_config_file({str(ROOT / "config" / "flower.py")!r}, final=False)
print(options.max_tasks, options.purge_offline_workers, options.read_only)
"""
ENVIRON = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    "REDIS_URL": "redis://127.0.0.1:9",
    "SHARED_SECRET": "s" * 32,
    "OPENAI_API_KEY": "none",
    "FLOWER_BASIC_AUTH": "flower:a-long-password",
}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, ["10000", "3600", "True"]),
        ({"FLOWER_MAX_TASKS": "77"}, ["77", "3600", "True"]),
        ({"FLOWER_PURGE_OFFLINE_WORKERS": "60"}, ["10000", "60", "True"]),
        ({"FLOWER_READ_ONLY": "false"}, ["10000", "3600", "True"]),
    ],
)
def test_it_keeps_ten_thousand_tasks_and_an_hour_of_workers_unless_variables_say_otherwise(
    fresh_python: FreshPython, given: dict[str, str], kept: list[str]
) -> None:
    variables = {**os.environ, **ENVIRON, "PORT": str(free_port()), **given}
    printed = fresh_python(MAX_TASKS, env=variables, check=True).stdout
    assert printed.split() == kept
