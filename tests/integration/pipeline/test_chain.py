"""The chain of four tasks, run by the Procfile's workers."""

import json
import secrets
from collections.abc import Callable, Mapping
from itertools import pairwise

import pytest
import redis
from sqlalchemy import delete, select

from models.conversations import Conversation, Message
from models.jobs import STAGES
from models.lifecycle.leases import queue_lease
from models.session import unit_of_work
from tasks.jobs.dispatch import publish_chain

from .conftest import Submit, finished, read

PROSE = (
    "The river rises in the hills behind the old town and runs for many miles through quiet "
    "meadows, where people have lived from fishing and weaving since the earliest days. "
)

pytestmark = pytest.mark.usefixtures("workers")

Until = Callable[..., None]


def answered(job_id: str) -> list[str]:
    with unit_of_work() as session:
        return list(session.scalars(select(Message.content).where(Message.job_id == job_id)))


def test_a_message_becomes_an_answer_with_a_receipt(submit: Submit, until: Until) -> None:
    job_id = submit("What is the capital of France?")
    until(lambda: finished(job_id))
    job = read(job_id)
    assert (job.status, job.epoch, job.starts) == ("completed", 1, 4)
    assert [job.stages[stage]["status"] for stage in STAGES] == [
        "completed",
        "skipped",
        "completed",
        "completed",
    ]
    assert job.intent == "question"
    assert job.route == {
        "model": "embedded/smollm2-135m-instruct",
        "reason": "intent:question",
        "fallbacks": [],
    }
    assert job.input_tokens > 0
    assert job.output_tokens > 0
    assert job.answer
    assert answered(job_id) == [job.answer]


def test_a_second_message_is_answered_in_the_light_of_the_first(
    submit: Submit, until: Until
) -> None:
    question = "Tell me about rivers."
    first = submit(question)
    until(lambda: finished(first))
    second = submit(question, conversation_id=read(first).conversation_id)
    until(lambda: finished(second))
    turn = read(first).output_tokens
    assert read(second).input_tokens > read(first).input_tokens + turn


def test_three_messages_of_one_conversation_are_answered_in_their_order(
    submit: Submit, until: Until
) -> None:
    first = submit("Tell me about rivers.")
    where = read(first).conversation_id
    jobs = [first, *(submit(f"And {what}?", conversation_id=where) for what in ("lakes", "seas"))]
    until(lambda: all(finished(job_id) for job_id in jobs), 120)
    ends = [read(job_id) for job_id in jobs]
    assert {job.status for job in ends} == {"completed"}
    for earlier, later in pairwise(ends):
        assert earlier.completed_at is not None
        assert later.started_at is not None
        assert earlier.completed_at <= later.started_at
        # The end of the earlier one dispatched it: the reconciler would have waited for the lease.
        assert later.started_at - earlier.completed_at < queue_lease()
        assert earlier.input_tokens < later.input_tokens  # its prompt includes the earlier turn
    with unit_of_work() as session:
        said = select(Message.job_id).where(Message.job_id.in_(jobs)).order_by(Message.position)
        assert session.scalars(said).all() == jobs


def test_a_job_whose_conversation_vanishes_ends_as_cancelled(accept: Submit, until: Until) -> None:
    job_id = accept("Tell me about rivers.")
    with unit_of_work() as session:
        session.execute(delete(Conversation).where(Conversation.id == read(job_id).conversation_id))
    publish_chain(job_id, 1, "intent", long=False)
    until(lambda: finished(job_id))
    assert (read(job_id).status, read(job_id).error) == ("cancelled", None)


def test_a_long_message_is_compressed_by_the_cpu_worker(submit: Submit, until: Until) -> None:
    job_id = submit(PROSE * 10 + "What do the people there live from?")
    until(lambda: finished(job_id))
    job = read(job_id)
    line = job.stages["compress"]
    assert (line["status"], line["compressor"]) == ("completed", "extractive")
    assert job.tokens_saved == line["tokens_before"] - line["tokens_after"] > 0
    assert job.prompt is not None
    assert "What do the people there live from?" in job.prompt
    assert job.status == "completed"


def test_a_message_too_long_for_the_model_fails_with_the_limit(
    submit: Submit, until: Until
) -> None:
    job_id = submit("unmistakable " * 7000)
    until(lambda: finished(job_id))
    job = read(job_id)
    assert job.status == "failed"
    assert job.error is not None
    assert (job.error["code"], job.error["stage"]) == ("context_too_long", "generate")
    assert "the limit is 4011" in job.error["message"]
    assert job.stages["generate"]["status"] == "failed"
    assert answered(job_id) == []


def test_a_chain_that_is_dispatched_again_changes_nothing(submit: Submit, until: Until) -> None:
    job_id = submit("Hello!")
    until(lambda: finished(job_id))
    before = read(job_id)
    for stage in STAGES:
        publish_chain(job_id, 1, stage, long=False)
    other = submit("Hello again!")
    until(lambda: finished(other))
    after = read(job_id)
    assert (after.starts, after.completed_at) == (before.starts, before.completed_at)
    assert len(answered(job_id)) == 1


def test_messages_carry_ids_only(backends: Mapping[str, str]) -> None:
    queue = f"nobody-{secrets.token_hex(4)}"
    publish_chain("job_01", 7, "intent", long=True, queue=queue)
    client = redis.Redis.from_url(backends["REDIS_URL"])
    raw = client.lindex(queue, 0)
    client.delete(queue)
    assert raw is not None
    message = json.loads(raw)
    assert message["headers"]["id"] == "job_01.7.intent"
    assert message["headers"]["task"] == "intent"
    assert message["headers"]["argsrepr"] == "('job_01', 7)"
    assert len(raw) < 6000
