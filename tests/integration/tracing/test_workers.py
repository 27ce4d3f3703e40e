"""A trace goes on in another worker; what a worker traces is a matter of its own settings."""

import json
import secrets
from collections.abc import Callable

import httpx

from ...chaos.stack import Stack
from ...chaos.workers import Worker
from .collector import Collector, collecting
from .conftest import ALL, CANARY, Ask, calls, is_of, named, traceparent

Until = Callable[..., None]


def test_a_trace_goes_on_in_another_worker(
    traced: Stack, collector: Collector, until: Until
) -> None:
    """The first, which does not trace but logs the trace, is killed; the reconciler dispatches its
    job."""
    traced.set_faults(weights={"hang": 1}, faults_per_job=1)
    first, before = traced.worker(OTEL_EXPORTER_OTLP_ENDPOINT="").start(), len(traced.calls())
    trace_id, _, header = traceparent()
    headers = {"Authorization": f"Bearer {traced.key}", "traceparent": header}
    body = {"message": f"Who goes on? [#{secrets.token_hex(8)}]"}
    response = httpx.post(f"{traced.web}/v1/jobs", json=body, headers=headers)
    assert response.status_code == 202, response.text
    until(lambda: len(traced.calls()) > before)
    first.kill()
    lines = [line for line in first.lines() if is_of(response.json(), line)]
    assert {line["trace_id"] for line in lines if line["event"] == "stage finished"} == {trace_id}
    second = traced.worker().start()
    until(lambda: named(collector.of(trace_id), "persist"), 60)
    second.kill()
    traced.set_faults()
    [request] = named(collector.of(trace_id), "POST /v1/jobs")
    [generate] = named(collector.of(trace_id), "generate")
    assert generate.attributes["trimind.epoch"] == 2
    assert generate.parent_id == request.span_id


def test_text_is_there_if_it_is_switched_on_and_the_last_spans_are_sent_at_a_workers_end(
    traced: Stack, ask: Ask, until: Until, stop: Callable[[Worker], None]
) -> None:
    with collecting() as own:
        worker = traced.worker(
            OTEL_EXPORTER_OTLP_ENDPOINT=own.url,
            OTEL_BSP_SCHEDULE_DELAY="600000",
            TRACE_TEXT="on",
        ).start()
        job = ask()
        assert own.spans == []
        stop(worker)
        until(lambda: len(own.spans) == ALL - 1)
    [call] = calls(own.spans)
    assert CANARY in call.attributes["gen_ai.input.messages"]
    [answer] = json.loads(call.attributes["gen_ai.output.messages"])
    assert answer["parts"] == [{"type": "text", "content": job["output"]}]
    assert traced.key.encode() not in b"".join(own.bodies)
