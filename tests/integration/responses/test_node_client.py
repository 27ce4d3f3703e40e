"""The stock `openai` package for Node.js, as in its documentation."""

import json
from typing import Any

import pytest

from ...chaos.stack import Stack
from ...npm import LISTS, Packages


@pytest.fixture(scope="module")
def shown(npm_packages: Packages, shared_stack: Stack, fleet: object) -> dict[str, Any]:
    """The output of tests/node/responses.mjs."""
    script = (LISTS / "responses.mjs").read_text()
    server: dict[str, Any] = {
        "OPENAI_BASE_URL": f"{shared_stack.web}/v1",
        "OPENAI_API_KEY": shared_stack.key,
    }
    done = npm_packages.run("node", "--input-type=module", "--eval", script, **server)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_a_response_is_waited_for_streamed_polled_and_gone_on_from(shown: dict[str, Any]) -> None:
    text = shown["waited"]["output_text"]
    assert text
    assert shown["waited"]["status"] == shown["continued"] == "completed"
    assert shown["put_together"] == text
    assert shown["streamed"] == {"text": text, "type": "response.completed", "output_text": text}
    assert shown["polled"] == {"status": "completed", "output_text": text}


def test_errors_are_the_packages_own(shown: dict[str, Any]) -> None:
    told = {
        name: (shown[name]["name"], shown[name]["status"], shown[name]["code"])
        for name in ("tools", "chat", "models", "conversations", "unknown")
    }
    assert told == {
        "tools": ("BadRequestError", 400, "unsupported_parameter"),
        "chat": ("NotFoundError", 404, "not_found"),
        "models": ("NotFoundError", 404, "not_found"),
        "conversations": ("BadRequestError", 400, "unknown_parameter"),
        "unknown": ("NotFoundError", 404, "not_found"),
    }
    assert "POST /v1/responses" in shown["chat"]["message"]
    assert shown["conversations"]["param"] == "items"
