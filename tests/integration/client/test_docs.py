"""The examples of docs/client.md and of the client's README work as pasted, one after the other."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from standardwebhooks import Webhook

from ...chaos.stack import Stack

ROOT: Final = Path(__file__).resolve().parents[3]
BLOCK: Final = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def script(page: Path, stack: Stack) -> str:
    text = "\n".join(BLOCK.findall(page.read_text()))
    return text.replace("http://127.0.0.1:8000", stack.web).replace("tm_…", stack.key)


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", ["docs/client.md", "trimind/README.md"])
def test_every_example_works_as_pasted(page: str, stack: Stack) -> None:
    shown = run(script(ROOT / page, stack))
    assert "This answers" in shown
    if page == "docs/client.md":
        assert "completed This answers" in shown
        assert "422 invalid_request mind req_" in shown


def test_the_endpoint_of_the_page_takes_what_is_signed_and_nothing_else(stack: Stack) -> None:
    code = BLOCK.findall((ROOT / "docs/client.md").read_text())[-1]
    at, body = datetime.now(UTC), '{"type": "job.completed"}'
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", at, body),
    }
    calls = f"print(receive({body.encode()!r}, {headers!r}), receive(b'{{}}', {headers!r}))"
    assert run(f"{code}\n{calls}").split() == ["job.completed", "204", "400"]
