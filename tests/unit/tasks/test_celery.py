"""Celery's application is configured by our settings alone."""

import os

import pytest

from tests.fresh_python import FreshPython

SCRIPT = """
from tasks.celery import app
print(app.conf.broker_url, app.conf.broker_read_url, app.conf.broker_write_url, sep="\\n")
"""
OURS = "redis://127.0.0.1:1/5"
SETTINGS = {
    "DATABASE_URL": "postgresql://127.0.0.1:1/none",
    "REDIS_URL": OURS,
    "SHARED_SECRET": "s" * 32,
    "PATH": os.environ["PATH"],
}


@pytest.mark.parametrize(
    "name", ["CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"]
)
def test_no_variable_of_celery_leads_to_another_broker(
    fresh_python: FreshPython, name: str
) -> None:
    env = SETTINGS | {name: "redis://elsewhere:6379/0", "CELERY_LOADER": "no.such:Loader"}

    assert fresh_python(SCRIPT, env=env, check=True).stdout.split() == [OURS] * 3
