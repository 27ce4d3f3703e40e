"""Each stage alone, in this process: its decisions on failures."""

import pytest
from celery.result import EagerResult

from models.conflicts import JobFailed
from models.job_options import Options
from models.jobs import STAGES
from models.lifecycle.endings import cancel
from models.session import unit_of_work
from models.users import get_or_create_user
from tasks.jobs import submission
from tasks.jobs.submission import Submission
from tasks.policies import GENERATE
from tasks.resilience import breaker
from tasks.stages import compress, generate, intent, persist

from .conftest import SetVariables, Submit, read

TASKS = {"intent": intent, "compress": compress, "generate": generate, "persist": persist}
DEAD_ADDRESS = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def closed_breakers(variables: SetVariables, environment: dict[str, str]) -> None:
    """Isolate each test's breakers and compressor. The workers' breakers are in another database of
    the same server."""
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
    variables(OPENAI_API_KEY="a-key", OPENAI_API_BASE=DEAD_ADDRESS)
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


def test_what_another_user_has_asked_does_not_show_on_a_receipt(
    accept: Submit, external_id: str
) -> None:
    first = accept(f"We buy {external_id}")
    with unit_of_work() as session:
        other = get_or_create_user(session, f"other-{external_id}")
        second = submission.accept(session, Submission(other, f"We buy {external_id}")).id
    run("intent", first)
    run("intent", second)
    assert [read(job).stages["intent"]["cached"] for job in (first, second)] == [False, False]


def test_the_next_model_of_the_route_serves_when_the_first_fails(
    accept: Submit, variables: SetVariables, environment: dict[str, str]
) -> None:
    variables(
        OPENAI_API_KEY="a-key",
        OPENAI_API_BASE=DEAD_ADDRESS,
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


def test_a_stage_whose_providers_are_unavailable_waits_and_shows_as_retried(
    accept: Submit, variables: SetVariables
) -> None:
    variables(EMBEDDED_MODEL_URL=DEAD_ADDRESS)
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
    variables(EMBEDDED_MODEL_URL=DEAD_ADDRESS)
    for _ in range(GENERATE.breaker.failures):
        job_id = accept("Hello!")
        for stage in ("intent", "compress", "generate"):
            run(stage, job_id)
    spared = accept("Hello!")
    for stage in ("intent", "compress", "generate"):
        run(stage, spared)
    assert (read(spared).slot, read(spared).attempts) == ("waiting", 0)


def test_a_pinned_model_is_called_instead_of_the_route(
    accept: Submit, variables: SetVariables, environment: dict[str, str]
) -> None:
    pinned = "anthropic/claude-haiku-4-5"
    variables(
        OPENAI_API_KEY="a-key",
        OPENAI_API_BASE=DEAD_ADDRESS,
        ANTHROPIC_API_KEY="a-key",
        ANTHROPIC_API_BASE=environment["EMBEDDED_MODEL_URL"],
    )
    job_id = accept("Hello!", options=Options(model=pinned, max_tokens=20))
    run("intent", job_id)
    asked = {"model": pinned, "reason": "pinned", "fallbacks": []}
    assert (read(job_id).route, read(job_id).intent) == (asked, "greeting")
    run("compress", job_id)
    run("generate", job_id)
    job = read(job_id)
    assert (job.route, job.stage) == (asked, "persist")
    assert job.output_tokens <= 20


def test_an_answer_is_no_longer_than_its_caller_asks(accept: Submit) -> None:
    asked = Options(max_tokens=16, temperature=0.0)
    job_id = accept("Tell me a long story about a river.", options=asked)
    for stage in ("intent", "compress", "generate"):
        run(stage, job_id)
    job = read(job_id)
    assert (job.finish_reason, job.output_tokens) == ("length", 16)


def test_instructions_and_a_history_of_the_callers_own_go_along(accept: Submit) -> None:
    told = "Speak like a pirate and mention the sea in every sentence that you say."
    history = (("user", "Who are you?"), ("assistant", "I am a sailor of the seven seas."))
    jobs = [
        accept("Hello!", options=options)
        for options in (Options(), Options(instructions=told), Options(history=history))
    ]
    for job_id in jobs:
        for stage in ("intent", "compress", "generate"):
            run(stage, job_id)
    plain, instructed, with_history = (read(job_id).input_tokens for job_id in jobs)
    assert instructed >= plain + 14
    assert with_history >= plain + 12


def test_a_job_that_continues_another_gets_that_history_and_not_its_track(
    accept: Submit,
) -> None:
    first = accept("Hello!")
    for stage in STAGES:
        run(stage, first)
    conversation = read(first).conversation_id
    beside = accept("Tell me about rivers.", conversation_id=conversation)
    for stage in STAGES:
        run(stage, beside)
    told = {}
    for name, previous in {"track": None, "chain": first}.items():
        job_id = accept("Hello!", conversation_id=conversation, previous_id=previous)
        for stage in ("intent", "compress", "generate"):
            run(stage, job_id)
        told[name] = read(job_id).input_tokens
        with unit_of_work() as session:
            assert cancel(session, job_id)
    assert read(first).input_tokens + read(first).output_tokens < told["chain"] < told["track"]


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
    # A folder with the right name, but without a model.
    folder = tmp_path_factory.mktemp("weights") / "bert-base-multilingual-cased"
    folder.mkdir()
    variables(LLMLINGUA_MODEL=str(folder))
    job_id = accept("A long message that would be worth compressing. " * 40)
    run("intent", job_id)
    assert run("compress", job_id).state == "SUCCESS"
    job = read(job_id)
    assert job.stages["compress"]["status"] == "degraded"
    assert (job.stage, job.slot, job.prompt) == ("generate", "queued", None)
