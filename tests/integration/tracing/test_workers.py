"""A trace goes on in another worker; what a worker traces is a matter of its own settings."""

import json
import os
import secrets
import signal
from collections.abc import Callable

import httpx
import psutil

from ...chaos.stack import Stack
from ...chaos.workers import Worker
from .collector import SERVER, Collector, Span, collecting
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


def test_each_forked_process_of_a_worker_sends_its_own_spans_once(
    traced: Stack, collector: Collector, ask: Ask, until: Until
) -> None:
    """Also the one that replaces a process that was killed."""
    worker = traced.start("worker", WORKER_PROCESSES="2", STAGE_HOPS="broker")
    traces: list[str] = []

    def started() -> int:
        return (traced.home / "worker.log").read_text().count('"worker started"')

    def processes() -> set[int]:
        return {child.pid for child in psutil.Process(worker.identity.pid).children()}

    def ask_until_all_have_sent(expected: set[int]) -> None:
        sent: set[int] = set()
        while not sent >= expected:
            assert len(traces) < 40, f"{expected - sent} sent nothing"
            trace_id, _, header = traceparent()
            ask(traceparent=header)
            traces.append(trace_id)
            until(lambda of=trace_id: len(collector.of(of)) >= ALL)
            sent |= {pid_of(span) for span in of_worker(collector.of(trace_id))}

    until(lambda: started() == 2, 60)
    first = processes()
    ask_until_all_have_sent(first)

    killed, kept = first
    os.kill(killed, signal.SIGKILL)
    until(lambda: started() == 3, 60)
    second = processes()
    assert kept in second - {killed}
    ask_until_all_have_sent(second)

    worker.ask_to_end()
    until(lambda: worker.exit_code() is not None, 20)  # by then, all have been sent
    for trace_id in traces:
        spans = collector.of(trace_id)
        assert len({span.span_id for span in spans}) == len(spans) == ALL
        [call], [generate] = calls(spans), named(spans, "generate")
        assert pid_of(call) == pid_of(generate)
        assert {pid_of(span) for span in of_worker(spans)} <= first | second
        assert {span.process["trimind.process"] for span in of_worker(spans)} == {"worker"}


def of_worker(spans: list[Span]) -> list[Span]:
    """Those that are not the web's."""
    return [span for span in spans if span.kind != SERVER]


def pid_of(span: Span) -> int:
    """The id of the process that recorded it."""
    return int(span.process["process.pid"])
