"""The receipt includes every call that a provider bills, whatever its outcome."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from app.schemas.jobs import job_body
from app.streaming.events import steps_of
from models.jobs import Job
from models.lifecycle.endings import cancel
from models.session import unit_of_work
from tasks.execution.heartbeat import stop_job
from tasks.llm.models import target
from tasks.nlu.llm_classifier import classify
from tasks.resilience import breaker
from tasks.stages import compress
from tests.unit.tasks.llm.conftest import Answer, Serve
from tests.unit.tasks.llm.conftest import serve as serve  # the fixture
from tests.unit.tasks.llm.odd import DONE, Handler, chunk, event, sends

from .conftest import SetVariables, Submit, read
from .test_stages import run

Asks = Callable[..., str]


@pytest.fixture(autouse=True)
def closed_breakers(variables: SetVariables, environment: dict[str, str]) -> None:
    """As in test_stages.py."""
    variables(REDIS_URL=environment["REDIS_URL"].removesuffix("/0") + "/1", INTENT_CACHE_S="0")
    breaker.reset_all()
    compress.chosen_compressor.cache_clear()


def usage(given: int, made: int) -> bytes:
    return event({"choices": [], "usage": {"prompt_tokens": given, "completion_tokens": made}})


def decides(intent: str, given: int, made: int) -> Answer:
    said = {"choices": [{"message": {"content": intent}, "finish_reason": "stop"}]}
    body = said | {"usage": {"prompt_tokens": given, "completion_tokens": made}}
    return sends(json.dumps(body).encode(), kind="application/json")


GREETING = decides('{"intent": "greeting", "confidence": 1}', 100, 10)
GOOD = sends(chunk("Hello."), chunk(None, "stop"), usage(1000, 100), DONE)
# It says what it has used, and breaks off.
BROKEN = sends(chunk("He"), usage_so_far := chunk("l", usage={"prompt_tokens": 20_000,
                                                           "completion_tokens": 2000}))  # fmt: skip
NOTHING = sends(chunk(None, "stop"), usage(300_000, 30_000), DONE)


@pytest.fixture
def job_at(serve: Serve, accept: Submit, variables: SetVariables) -> Asks:
    """`job_at(first, second, …)`: a job at generate whose provider gives these answers."""

    def ask(*answers: Answer) -> str:
        left = [GREETING, *answers]

        def answer(handler: Handler) -> None:
            left.pop(0)(handler)

        variables(OPENAI_API_KEY="a-key", OPENAI_API_BASE=f"{serve(answer)}/v1")
        warm_up()
        job_id = accept("Hello!")
        run("intent", job_id)
        run("compress", job_id)
        return job_id

    return ask


def warm_up() -> None:
    """Warm up: on a busy machine, a process's first call takes longer than an intent may."""
    classify("Hello!", {"greeting": "greets"}, target("openai/gpt-5.4-nano"), 60)


def again(job_id: str) -> str:
    """Run generate again, as if its wait were over, and return the outcome."""
    with unit_of_work() as session:
        due = (
            "UPDATE jobs SET slot = 'queued', next_attempt_at = NULL,"
            " queue_lease_until = now() + interval '30 s' WHERE id = :id AND slot = 'waiting'"
        )
        session.execute(text(due), {"id": job_id})
    state: str = run("generate", job_id).state
    return state


def used(job: Job) -> tuple[int, int]:
    return job.input_tokens, job.output_tokens


def tried(job: Job) -> list[tuple[str, int, Any]]:
    """The failures at generate: code, number of calls, and their input tokens."""
    rows = job.stages["generate"]["tried"]
    return [(row["code"], row["calls"], row.get("input_tokens")) for row in rows]


def test_the_intents_call_a_broken_one_and_the_answer_add_up(job_at: Asks) -> None:
    job_id = job_at(GREETING, BROKEN, GOOD)
    assert used(read(job_id)) == (100, 10)

    assert run("generate", job_id).state == "SUCCESS"

    job = read(job_id)
    assert used(job) == (21_100, 2110)
    assert tried(job) == [("provider_unavailable", 1, 20_000)]
    shown = next(step for step in steps_of(job) if step.type == "job.usage")
    assert (shown.data["input_tokens"], shown.data["output_tokens"]) == (21_100, 2110)
    assert float(shown.data["cost_usd"]) > float(job.stages["generate"]["tried"][0]["cost_usd"]) > 0


def test_what_earlier_attempts_have_cost_stays(job_at: Asks) -> None:
    job_id = job_at(GREETING, NOTHING, GOOD)

    assert run("generate", job_id).state == "RETRY"
    waiting = read(job_id)
    assert (used(waiting), waiting.slot) == ((300_100, 30_010), "waiting")
    assert again(job_id) == "SUCCESS"

    assert used(read(job_id)) == (301_100, 30_110)
    assert tried(read(job_id)) == [("unusable_answer", 1, 300_000)]


def test_a_job_that_fails_in_the_end_tells_what_it_has_cost(job_at: Asks) -> None:
    job_id = job_at(GREETING, NOTHING, NOTHING)

    run("generate", job_id)
    assert again(job_id) == "FAILURE"

    shown = job_body(read(job_id))
    assert (shown.status, shown.error and shown.error.code) == ("failed", "unusable_answer")
    assert (shown.usage.input_tokens, shown.usage.output_tokens) == (600_100, 60_010)
    assert tried(read(job_id)) == [("unusable_answer", 2, 600_000)]


def test_a_refused_call_costs_nothing(job_at: Asks) -> None:
    refuses = sends(b'{"error": {"message": "No."}}', kind="application/json", status=400)
    job_id = job_at(GREETING, refuses)

    assert run("generate", job_id).state == "FAILURE"

    assert used(read(job_id)) == (100, 10)
    assert tried(read(job_id)) == [("provider_rejected", 1, None)]


def test_an_unusable_intent_is_paid_for_all_the_same(job_at: Asks) -> None:
    job_id = job_at(decides("I think it is a greeting.", 100, 12))

    job = read(job_id)
    assert (job.stages["intent"]["status"], used(job)) == ("degraded", (100, 12))


def test_an_answer_that_is_cancelled_half_way_is_paid_for(
    job_at: Asks, until: Callable[..., None]
) -> None:
    over = threading.Event()

    def hangs(handler: Handler) -> None:
        sends(chunk("He"), usage_so_far)(handler)
        over.wait(30)

    job_id = job_at(GREETING, hangs)
    running = threading.Thread(target=run, args=("generate", job_id))
    running.start()
    until(lambda: read(job_id).partial == "Hel")
    with unit_of_work() as session:
        assert cancel(session, job_id)
    stop_job(job_id)
    running.join(30)
    over.set()

    job = read(job_id)
    assert (job.status, used(job)) == ("cancelled", (20_100, 2010))
