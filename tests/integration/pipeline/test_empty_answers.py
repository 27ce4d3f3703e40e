"""An empty answer, cut by a limit or declined, is stored and shown like any other."""

import pytest

from app.openai.responses import body
from app.schemas.jobs import job_body
from models.jobs import STAGES
from tasks.resilience import breaker
from tasks.stages import compress
from tests.unit.tasks.llm.conftest import Serve
from tests.unit.tasks.llm.conftest import serve as serve  # the fixture
from tests.unit.tasks.llm.odd import DONE, chunk, event, sends

from .conftest import SetVariables, Submit, read
from .test_stages import run

USAGE = event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 1000}})


@pytest.fixture(autouse=True)
def closed_breakers(variables: SetVariables, environment: dict[str, str]) -> None:
    """As in test_stages.py."""
    variables(REDIS_URL=environment["REDIS_URL"].removesuffix("/0") + "/1")
    breaker.reset_all()
    compress.chosen_compressor.cache_clear()


@pytest.mark.parametrize(
    ("reason", "why"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_an_empty_answer_completes_a_job_and_is_incomplete_to_openais_clients(
    reason: str, why: str, serve: Serve, accept: Submit, variables: SetVariables
) -> None:
    url = serve(sends(chunk(None, reason), USAGE, DONE))
    variables(OPENAI_API_KEY="a-key", OPENAI_API_BASE=f"{url}/v1")
    job_id = accept("Hello!")

    for stage in STAGES:
        assert run(stage, job_id).state == "SUCCESS"

    job = read(job_id)
    shown = job_body(job)
    assert (shown.status, shown.output, shown.finish_reason) == ("completed", "", reason)
    # The intent's call was billed as well, though its answer was not an intent.
    assert (job.input_tokens, job.output_tokens, job.attempts) == (14, 2000, 0)
    response = body.response_body(job)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == why
