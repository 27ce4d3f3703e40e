"""The stock `openai` package against the whole system, the embedded model included."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import openai
import pytest

from deploy.embedded.ports import free_port
from deploy.embedded.procfile import read_procfile, shell_command
from deploy.embedded.service import Service
from deploy.embedded.supervisor import Supervisor

from .conftest import ROOT

pytestmark = pytest.mark.usefixtures("workers")

EMBEDDED = "embedded/smollm2-135m-instruct"

Until = Callable[..., None]


@pytest.fixture(scope="module")
def web(environment: dict[str, str], supervisor: Supervisor) -> str:
    """The address of a server that runs the Procfile's command."""
    address = f"127.0.0.1:{free_port()}"
    command = shell_command(read_procfile(ROOT / "Procfile")["web"])
    ready = partial(serves, f"http://{address}/healthz")
    environ = {**environment, "BIND": address}
    supervisor.start([Service("web", command, environ, ready, ready_within_s=60, cwd=ROOT)])
    return f"http://{address}"


def serves(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture
def client(web: str, environment: dict[str, str], external_id: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{web}/v1",
        api_key=environment["SHARED_SECRET"],
        default_headers={"X-Trimind-User": external_id},
        max_retries=0,
    ) as made:
        yield made


def test_a_response_is_made_by_the_embedded_model(client: openai.OpenAI) -> None:
    response = client.responses.create(input="Hello!", model="auto", max_output_tokens=40)
    assert response.status in ("completed", "incomplete")
    assert response.model == EMBEDDED
    assert response.output_text
    assert response.usage is not None
    assert 0 < response.usage.output_tokens <= 40


def test_an_answer_that_is_cut_is_incomplete(client: openai.OpenAI) -> None:
    question = "Tell me a long story about a river."
    events: list[Any] = list(
        client.responses.create(
            input=question, model=EMBEDDED, max_output_tokens=16, temperature=0, stream=True
        )
    )
    assert events[-1].type == "response.incomplete"
    response = events[-1].response
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage.output_tokens == 16
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == response.output_text


def test_a_response_gets_the_history_of_the_one_before(client: openai.OpenAI, until: Until) -> None:
    first = client.responses.create(input="Hello!", model="muse", background=True)
    until(lambda: client.responses.retrieve(first.id).usage is not None)
    done = client.responses.retrieve(first.id)
    second = client.responses.create(
        input="Hello!", previous_response_id=first.id, instructions="Rhyme."
    )
    assert done.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens > done.usage.total_tokens
    assert second.conversation == first.conversation


def test_a_message_that_no_model_holds_fails_as_openai_would_say_it(client: openai.OpenAI) -> None:
    response = client.responses.create(input="unmistakable " * 7000)
    assert response.status == "failed"
    assert response.error is not None
    assert response.error.code == "invalid_prompt"
    assert "context_too_long" in response.error.message
