"""A client that `openapi-python-client` makes from our document, against our web and a worker."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from ...chaos.stack import Stack

NAME = "trimind_generated"
BIN = Path(sys.executable).parent
GENERATE = (str(BIN / "openapi-python-client"), "generate", "--meta", "none", "--fail-on-warning")

Call = Callable[..., Any]
Until = Callable[..., None]


@pytest.fixture(scope="module")
def generated(shared_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of the package that was made."""
    folder = tmp_path_factory.mktemp("generated")
    document = folder / "openapi.json"
    document.write_text(httpx.get(f"{shared_stack.web}/openapi.json").text)
    made = subprocess.run(
        [*GENERATE, "--path", str(document), "--output-path", str(folder / NAME)],
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield NAME


@pytest.fixture
def call(generated: str, stack: Stack) -> Iterator[Call]:
    """`call("jobs.submit_job", …)`: what the call of this name gives, with this stack's key."""
    client = import_module(generated).AuthenticatedClient(base_url=stack.web, token=stack.key)

    def do(name: str, *path: str, **arguments: Any) -> Any:
        answer = import_module(f"{generated}.api.{name}").sync_detailed(
            *path, client=client, **arguments
        )
        assert answer.parsed is not None
        return answer.parsed

    with client:
        yield do


@pytest.fixture
def shape(generated: str) -> Callable[..., Any]:
    """`shape("NewJob", …)`: a body of this name."""
    return lambda name, **fields: getattr(import_module(f"{generated}.models"), name)(**fields)


def test_a_job_is_submitted_polled_and_read(call: Call, shape: Call, until: Until) -> None:
    metadata = shape("NewJobMetadata")
    metadata["ticket"] = "7"
    job = call("jobs.submit_job", body=shape("NewJob", message="Why?", metadata=metadata))
    assert job.status == "queued"
    until(lambda: call("jobs.read_job", job.id).status == "completed")

    done = call("jobs.read_job", job.id)
    assert "answers" in done.output
    assert done.metadata["ticket"] == "7"
    assert [str(each.name) for each in done.stages] == ["intent", "compress", "generate", "persist"]
    assert done.id in [each.id for each in call("jobs.read_jobs", limit=5).data]
    said = call("conversations.read_messages", done.conversation_id).data
    assert [str(each.role) for each in said] == ["user", "assistant"]
    assert said[1].content == done.output


def test_a_job_is_waited_for_and_made_once(call: Call, shape: Call) -> None:
    once = {
        "body": shape("NewJob", message="Why?"),
        "idempotency_key": "generated",
        "prefer": "wait=20",
    }
    first, again = (call("jobs.submit_job", **once) for _ in range(2))

    assert (first.id, first.status) == (again.id, "completed")


def test_three_minds_and_a_response_are_asked(call: Call, shape: Call) -> None:
    whole = call(
        "broadcasts.submit_broadcast", body=shape("NewBroadcast", message="Why?"), prefer="wait=20"
    )
    assert {str(job.status) for job in whole.jobs} == {"completed"}

    response = call("responses.create_response", body=shape("NewResponse", input_="Why?"))
    assert "answers" in response.output[0].content[0].text


def test_a_failure_has_its_shape(call: Call, shape: Call) -> None:
    unknown = call("jobs.read_job", "job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC")
    assert (unknown.code, unknown.status) == ("not_found", 404)
    wrong = call("jobs.submit_job", body=shape("NewJob", message=""))
    assert [error.field for error in wrong.errors] == ["message"]
    refused = call(
        "responses.create_response", body=shape("NewResponse", input_="Why?", model="none")
    )
    assert refused.error.code == "model_not_found"
