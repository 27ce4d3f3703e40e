"""A job with a misconfigured provider waits, and the operator is notified."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from app.factory import create_app
from tasks.resilience import breaker
from tasks.stages import compress
from tests.unit.tasks.llm.conftest import Serve
from tests.unit.tasks.llm.conftest import serve as serve  # the fixture
from tests.unit.tasks.llm.odd import DONE, Handler, chunk, sends

from ..commits import unfollowed
from .conftest import SetVariables, Submit, read
from .test_costs import GREETING, again, warm_up
from .test_stages import run

REFUSES = sends(b'{"error": {"code": "invalid_api_key"}}', kind="application/json", status=401)


@pytest.fixture(autouse=True)
def closed_breakers(variables: SetVariables, environment: dict[str, str]) -> None:
    """As in test_stages.py."""
    variables(REDIS_URL=environment["REDIS_URL"].removesuffix("/0") + "/2")
    breaker.reset_all()
    compress.chosen_compressor.cache_clear()


def test_it_waits_longer_each_time_and_is_done_once_that_is_fixed(
    accept: Submit,
    serve: Serve,
    variables: SetVariables,
    capsys: pytest.CaptureFixture[str],
    until: Callable[..., None],
) -> None:
    answers = [GREETING, GREETING, REFUSES, REFUSES, sends(chunk("Hello.", "stop"), DONE)]

    def answer(handler: Handler) -> None:
        answers.pop(0)(handler)

    variables(OPENAI_API_KEY="a-key", OPENAI_API_BASE=f"{serve(answer)}/v1")
    warm_up()
    with unfollowed():  # a new app dispatches what this process accepts
        client = create_app().test_client()
    job_id = accept("Hello!")
    run("intent", job_id)
    run("compress", job_id)

    waits = []
    for _ in range(2):
        state = again(job_id)
        job = read(job_id)
        assert (state, job.slot, job.attempts) == ("RETRY", "waiting", 0)
        assert job.next_attempt_at is not None
        waits.append((job.next_attempt_at - datetime.now(UTC)).total_seconds())

    assert 5 < waits[0] <= 30
    assert 20 < waits[1] <= 60
    assert "check OPENAI_API_KEY" in capsys.readouterr().out
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json["status"]) == (200, "degraded")
    assert ready.json["misconfigured"] == {"openai": "OPENAI_API_KEY"}

    assert again(job_id) == "SUCCESS"
    run("persist", job_id)
    assert read(job_id).status == "completed"
    until(lambda: client.get("/readyz").json["misconfigured"] == {})
