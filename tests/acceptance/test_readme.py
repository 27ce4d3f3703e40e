"""The commands of the pages work as pasted, from top to bottom, beside a stack that serves."""

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from app.cli.local.services import ROOT

from .conftest import TRIMIND, Stack

BLOCK: Final = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The stack itself is started by its fixture.
START: Final = "make run\n"
# What each block prints, in the page's order; `None`: nothing.
PRINTED: Final = {
    "README.md": (
        "receipt:",
        None,
        "HTTP/1.1 202 Accepted",
        '"object": "list"',
        "event: job.completed",
        '"object":"job"',
        "\n",
        "mind muse",
        '"object":"broadcast"',
    ),
    "docs/tutorial.md": (
        "receipt:",
        None,
        "accepted: job_",
        "event: job.completed",
        '"status":"completed"',
        "the same job: job_",
        '"object":"broadcast"',
        "total",
    ),
    "docs/runbook.md": (
        "Everything required is there.",
        '"status":"ok"',
        "breaker",
        "job_",
        "key.created",
    ),
}


@pytest.mark.parametrize("page", PRINTED)
def test_every_command_works_as_pasted(stack: Stack, page: str) -> None:
    blocks = [block for block in BLOCK.findall((ROOT / page).read_text()) if block != START]
    end = "\0"
    script = "\nprintf '\\0'\n".join(blocks)
    script = script.replace("http://127.0.0.1:8000", stack.url)
    script = script.replace(".venv/bin", str(Path(TRIMIND).parent))
    # One shell for all, as a reader has: later commands use what earlier ones exported. A reader
    # also sees both outputs in one.
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"exec 2>&1\n{script}"],
        env=stack.environ | {"NO_PROXY": "127.0.0.1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    for block, output, printed in zip(blocks, done.stdout.split(end), PRINTED[page], strict=True):
        assert printed in output if printed else output == "", f"{block}\n{output}"
