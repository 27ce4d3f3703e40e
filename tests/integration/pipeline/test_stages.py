"""Each stage alone, in this process: what it decides when something fails."""

import pytest
from celery.result import EagerResult

from models.errors import JobFailed
from models.jobs import STAGES
from tasks import compress, generate, intent, persist
from tasks.policies import GENERATE
from tasks.resilience import breaker

from .conftest import SetVariables, Submit, read

TASKS = {"intent": intent, "compress": compress, "generate": generate, "persist": persist}
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def closed_breakers(variables: SetVariables, environment: dict[str, str]) -> None:
    """No test inherits another one's failures, or its compressor; and none opens a breaker of the
    workers, which share theirs in another database of the same server."""
    variables(REDIS_URL=environment["REDIS_URL"].removesuffix("/0") + "/1")
    breaker.reset_all()
    compress.chosen_compressor.cache_clear()


def run(stage: str, job_id: str, epoch: int = 1) -> EagerResult:
    return getattr(TASKS[stage], stage).apply(
        args=(job_id, epoch), task_id=f"{job_id}.{epoch}.{stage}"
    )


def test_the_four_stages_lead_to_an_answer(accept: Submit) -> None:
    job_id = accept("Hello!")
    for stage in STAGES:
        assert run(stage, job_id).state == "SUCCESS"
    assert read(job_id).status == "completed"


def test_a_stage_out_of_turn_is_dropped_and_shows_as_succeeded(accept: Submit) -> None:
    job_id = accept("Hello!")
    assert run("generate", job_id).state == "SUCCESS"
    assert (read(job_id).stage, read(job_id).slot) == ("intent", "queued")


def test_a_configured_classifier_that_fails_degrades_to_the_local_one(
    accept: Submit, variables: SetVariables
) -> None:
    variables(OPENAI_API_KEY="a-key", OPENAI_API_BASE=NOBODY)
    job_id = accept("Write a Python function that adds two numbers, unheard of until now.")
    run("intent", job_id)
    line = read(job_id).stages["intent"]
    assert (line["status"], line["intent"]) == ("degraded", "coding")
    assert line["reason"] == "provider_unavailable"


def test_an_intent_is_remembered_by_its_normalised_text(accept: Submit, external_id: str) -> None:
    first, second = accept(f"Hello,  {external_id}!"), accept(f"hello, {external_id.upper()}! ")
    run("intent", first)
    run("intent", second)
    assert [read(job).stages["intent"]["cached"] for job in (first, second)] == [False, True]


def test_the_next_model_of_the_route_serves_when_the_first_fails(
    accept: Submit, variables: SetVariables, environment: dict[str, str]
) -> None:
    variables(
        OPENAI_API_KEY="a-key",
        OPENAI_API_BASE=NOBODY,
        ANTHROPIC_API_KEY="a-key",
        ANTHROPIC_API_BASE=environment["EMBEDDED_MODEL_URL"],
    )
    job_id = accept("Hello!")
    run("intent", job_id)
    run("compress", job_id)
    run("generate", job_id)
    job = read(job_id)
    assert job.route is not None
    assert job.route["model"].startswith("anthropic/")
    assert job.route["reason"] == "fallback:provider_unavailable"
    assert [tried["code"] for tried in job.stages["generate"]["tried"]] == ["provider_unavailable"]
    assert (job.stage, job.slot) == ("persist", "queued")
    assert job.answer


def test_a_stage_whose_providers_are_away_waits_and_shows_as_retried(
    accept: Submit, variables: SetVariables
) -> None:
    variables(EMBEDDED_MODEL_URL=NOBODY)
    job_id = accept("Hello!")
    run("intent", job_id)
    run("compress", job_id)
    assert run("generate", job_id).state == "RETRY"
    job = read(job_id)
    assert (job.stage, job.slot, job.attempts) == ("generate", "waiting", 1)
    assert job.next_attempt_at is not None


def test_an_open_breaker_waits_without_using_up_an_attempt(
    accept: Submit, variables: SetVariables
) -> None:
    variables(EMBEDDED_MODEL_URL=NOBODY)
    for _ in range(GENERATE.breaker.failures):
        job_id = accept("Hello!")
        for stage in ("intent", "compress", "generate"):
            run(stage, job_id)
    spared = accept("Hello!")
    for stage in ("intent", "compress", "generate"):
        run(stage, spared)
    assert (read(spared).slot, read(spared).attempts) == ("waiting", 0)


def test_a_failed_job_shows_as_a_failed_task(accept: Submit) -> None:
    job_id = accept("unmistakable " * 7000)
    for stage in ("intent", "compress"):
        run(stage, job_id)
    done = run("generate", job_id)
    assert done.state == "FAILURE"
    assert isinstance(done.result, JobFailed)
    assert read(job_id).status == "failed"


def test_a_compressor_that_fails_leaves_the_original(
    accept: Submit, variables: SetVariables, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # A folder of the right name that turns out to hold no model.
    folder = tmp_path_factory.mktemp("weights") / "bert-base-multilingual-cased"
    folder.mkdir()
    variables(LLMLINGUA_MODEL=str(folder))
    job_id = accept("A long message that would be worth compressing. " * 40)
    run("intent", job_id)
    assert run("compress", job_id).state == "SUCCESS"
    job = read(job_id)
    assert job.stages["compress"]["status"] == "degraded"
    assert (job.stage, job.slot, job.prompt) == ("generate", "queued", None)
