"""Celery's application is set up by our settings alone."""

import os
import subprocess
import sys

import pytest

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
def test_no_variable_of_celery_leads_to_another_broker(name: str) -> None:
    env = SETTINGS | {name: "redis://elsewhere:6379/0", "CELERY_LOADER": "no.such:Loader"}
    command = [sys.executable, "-c", SCRIPT]

    out = subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout

    assert out.split() == [OURS] * 3
