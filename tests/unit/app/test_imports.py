"""What importing the web application does to its process: as little as can be."""

import json
import os
import subprocess
import sys

import pytest

PROBE = """
import json, os, sys
before = dict(os.environ)
from app.wsgi import app
from config.settings import get_settings
app.test_client().get("/openapi.json")
key = get_settings().openai_api_key
print(json.dumps({
    "modules": sorted(sys.modules),
    "changed": dict(os.environ) != before,
    "key": key and key.get_secret_value(),
}))
"""


@pytest.fixture
def web(settled: None) -> dict:
    """What a process holds that has imported `app.wsgi` and answered once."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env={**os.environ, "OPENAI_API_KEY": "sk-real"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_the_web_process_holds_no_stage_and_no_model_library(web):
    heavy = {"litellm", "torch", "transformers", "llmlingua", "openai"}
    stages = {f"tasks.{name}" for name in ("intent", "compress", "generate", "persist", "stage")}

    assert not (heavy | stages) & set(web["modules"])


def test_importing_the_application_changes_no_variable_and_real_keys_win(web):
    """The replaced system put dummy keys over the real ones when it was imported."""
    assert web["changed"] is False
    assert web["key"] == "sk-real"
