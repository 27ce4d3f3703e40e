"""A job's trace, as a collector gets it from the web process and the workers."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ...chaos.stack import Stack
from ...chaos.workers import Worker
from .collector import CONSUMER, SERVER, Collector, Span
from .conftest import ALL, CANARY, Ask, calls, is_of, named, traceparent

Until = Callable[..., None]

STAGES = ("intent", "compress", "generate", "persist")


def test_one_trace_leads_from_the_caller_to_the_call_of_the_model(
    worker: Worker, collector: Collector, ask: Ask, until: Until
) -> None:
    trace_id, caller, header = traceparent()
    job = ask(traceparent=header)
    until(lambda: len(collector.of(trace_id)) == ALL)
    spans = collector.of(trace_id)
    [request] = named(spans, "POST /v1/jobs")
    assert (request.parent_id, request.kind) == (caller, SERVER)
    assert request.attributes["http.response.status_code"] == 200
    assert [span.name for span in spans if span.kind == CONSUMER] == [*STAGES]
    for stage in (span for span in spans if span.kind == CONSUMER):
        assert stage.parent_id == request.span_id
    [call] = calls(spans)
    [generate] = named(spans, "generate")
    assert call.parent_id == generate.span_id
    assert call.attributes["gen_ai.usage.output_tokens"] == job["usage"]["output_tokens"]
    for span in spans:
        assert span.attributes["trimind.job_id"] == job["id"]
        assert span.process["service.name"] == "trimind"
        assert span.process["trimind.process"] == ("web" if span is request else "worker")
        assert not span.failed


def test_each_line_of_the_log_has_the_id_of_the_trace(
    traced: Stack, worker: Worker, ask: Ask, until: Until
) -> None:
    trace_id, _, header = traceparent()
    job = ask(traceparent=header)

    def of_worker() -> list[dict[str, Any]]:
        return [line for line in worker.lines() if line.get("request_id") and is_of(job, line)]

    until(lambda: len([line for line in of_worker() if line["event"] == "stage finished"]) == 4)
    lines = [json.loads(line) for line in (traced.home / "web.log").read_text().splitlines()]
    of_web = [line for line in lines if line.get("request_id") == of_worker()[0]["request_id"]]
    assert of_web
    assert {line.get("trace_id") for line in (*of_web, *of_worker())} == {trace_id}


def test_a_trace_goes_on_after_a_wait(
    traced: Stack, worker: Worker, collector: Collector, ask: Ask, until: Until
) -> None:
    traced.set_faults(weights={"limited": 1}, faults_per_job=1)
    trace_id, _, header = traceparent()
    ask(traceparent=header)
    traced.set_faults()
    until(lambda: len(collector.of(trace_id)) == ALL + 2)
    spans = collector.of(trace_id)
    for first, second in (named(spans, "generate"), calls(spans)):
        assert (first.failed, second.failed) == (True, False)
        assert first.attributes["error.type"] == "rate_limited"
    attempts = [span.attributes["trimind.attempt"] for span in named(spans, "generate")]
    assert attempts == [1, 2]


def test_without_a_caller_a_trace_begins_with_the_request(
    worker: Worker, collector: Collector, ask: Ask, until: Until
) -> None:
    job = ask()

    def of_job() -> list[Span]:
        return [s for s in collector.spans if s.attributes.get("trimind.job_id") == job["id"]]

    until(lambda: len(of_job()) == ALL)
    [trace_id] = {span.trace_id for span in of_job()}
    [request] = named(collector.of(trace_id), "POST /v1/jobs")
    assert request.parent_id == ""


@pytest.mark.parametrize(
    "sent", ["", "x", f"00-{'0' * 32}-{'1' * 16}-01", f"00-{'1' * 32}-{'1' * 16}-01-more"]
)
def test_a_malformed_traceparent_is_no_error_and_is_not_continued(
    traced: Stack, collector: Collector, until: Until, sent: str
) -> None:
    before = len(named(collector.spans, "POST /v1/conversations"))
    headers = {"Authorization": f"Bearer {traced.key}", "traceparent": sent}
    created = httpx.post(f"{traced.web}/v1/conversations", json={}, headers=headers)
    assert created.is_success, created.text
    until(lambda: len(named(collector.spans, "POST /v1/conversations")) == before + 1)
    assert named(collector.spans, "POST /v1/conversations")[-1].parent_id == ""


def test_a_caller_that_does_not_sample_is_obeyed(
    worker: Worker, collector: Collector, ask: Ask, until: Until
) -> None:
    trace_id, _, header = traceparent()
    ask(traceparent=header[:-2] + "00")
    last, _, sampled = traceparent()
    ask(traceparent=sampled)
    until(lambda: len(collector.of(last)) == ALL)
    assert collector.of(trace_id) == []


def test_no_text_and_no_key_is_in_any_trace(
    traced: Stack, worker: Worker, collector: Collector, ask: Ask, until: Until
) -> None:
    trace_id, _, header = traceparent()
    job = ask(traceparent=header)
    until(lambda: len(collector.of(trace_id)) == ALL)
    sent = b"".join(collector.bodies)
    assert job["id"].encode() in sent
    secret = traced.environ["SHARED_SECRET"]
    for text in (CANARY, job["output"], traced.key, secret, traced.environ["OPENAI_API_KEY"]):
        assert text.encode() not in sent
