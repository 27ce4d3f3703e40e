"""Importing the web application has few effects on the process."""

import json
import os
from typing import Any

import pytest

from tests.fresh_python import FreshPython

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
def web(settled: None, fresh_python: FreshPython) -> dict[str, Any]:
    """The modules and variables of a process that has imported `app.wsgi` and answered once."""
    done = fresh_python(PROBE, env={**os.environ, "OPENAI_API_KEY": "sk-real"}, check=True)
    held: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return held


def test_the_web_process_holds_no_stage_and_no_model_library(web: dict[str, Any]) -> None:
    heavy = {"litellm", "torch", "transformers", "llmlingua", "openai"}
    stages = {"tasks.stages", "tasks.execution.stage"}

    assert not (heavy | stages) & set(web["modules"])


def test_importing_the_application_changes_no_variable_and_real_keys_win(
    web: dict[str, Any],
) -> None:
    """The replaced system overwrote real keys with dummies when it was imported."""
    assert web["changed"] is False
    assert web["key"] == "sk-real"
