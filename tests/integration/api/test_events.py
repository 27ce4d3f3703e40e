"""GET /v1/jobs/{id}/events: resuming, refusals, and readers that are disconnected."""

import json
import re
import socket
import time
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from models.jobs import Job
from models.lifecycle.endings import cancel, complete, fail
from models.lifecycle.event_numbers import SEQUENCE_GAP, text_base
from models.lifecycle.fence import Fence
from models.lifecycle.ownership import save_partials
from models.lifecycle.reconciliation import take_due
from models.lifecycle.transitions import begin, checkpoint, wait
from models.session import unit_of_work
from models.stage_record import StageRecord
from tasks.execution.output_buffer import Saved

HELLO = {"message": "hello"}
ANSWER = "Grüße aus Köln! 🎉 Done."
UNKNOWN = "job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"
COST = {"input_tokens": 3, "output_tokens": 7, "cost_usd": Decimal("0.000123")}


def run(job_id: str, stage: str, text: str | None = None) -> Fence:
    """Begin a stage and complete it like a worker."""
    fence = Fence(job_id, 1, stage, uuid4())
    with unit_of_work() as session:
        begun = begin(session, fence)
        assert begun is not None
        last, columns = begun.sequence, {}
        if text is not None:
            saved = Saved(text_base(begun.sequence), text, begun.restarts)
            last, columns = saved.number, {"answer": text, **saved.place, **COST}
        record = StageRecord(status="completed", ms=1, began=begun.sequence, ended=last + 1)
        if stage == "persist":
            assert complete(session, fence, record, last + 2)
        else:
            assert checkpoint(session, fence, record, columns, last + 2)
    return fence


def finish(job_id: str) -> str:
    for stage in ("intent", "compress"):
        run(job_id, stage)
    run(job_id, "generate", ANSWER)
    run(job_id, "persist")
    return job_id


def generating(job_id: str, text: str) -> Fence:
    """Advance a job to a running generate with saved text."""
    for stage in ("intent", "compress"):
        run(job_id, stage)
    fence = Fence(job_id, 1, "generate", uuid4())
    with unit_of_work() as session:
        begun = begin(session, fence)
        assert begun is not None
        saved = Saved(text_base(begun.sequence), text, 0)
        assert save_partials(session, {fence.token: saved.columns})
    return fence


def events_in(text: str) -> list[dict]:
    """The events of a whole stream."""
    return [json.loads(data) for data in re.findall(r"^data: (.*)$", text, re.M)]


@pytest.fixture
def job(client) -> str:
    return client.post("/v1/jobs", json=HELLO).json["id"]


@pytest.fixture
def finished(job) -> str:
    return finish(job)


def events(client, job_id: str, query: str = "", **headers: str):
    # Buffered, it is closed when it is read, as a server does.
    return client.get(f"/v1/jobs/{job_id}/events{query}", headers=headers, buffered=True)


def test_the_events_of_a_finished_job_come_from_its_row(client, finished):
    response = events(client, finished)

    assert response.headers["Content-Type"].startswith("text/event-stream")
    found = events_in(response.text)
    assert [event["type"] for event in found] == [
        "job.queued",
        *["job.stage"] * 5,
        "job.delta",
        "job.stage",
        "job.usage",
        *["job.stage"] * 2,
        "job.completed",
    ]
    assert found[6]["text"] == ANSWER
    assert found[8]["cost_usd"] == "0.000123"
    assert found[-1]["job"] == client.get(f"/v1/jobs/{finished}").json
    assert {event["job_id"] for event in found} == {finished}


def test_a_reader_goes_on_after_any_character(client, finished):
    [delta] = [e for e in events_in(events(client, finished).text) if e["type"] == "job.delta"]
    base = delta["sequence_number"] - len(ANSWER)

    for have in range(len(ANSWER)):
        rest = events_in(events(client, finished, f"?starting_after={base + have}").text)
        assert rest[0]["text"] == ANSWER[have:]


def test_a_reader_goes_on_after_any_event(client, finished):
    found = events_in(events(client, finished).text)

    for place, event in enumerate(found[:-1]):
        number = str(event["sequence_number"])
        assert (
            events_in(events(client, finished, **{"Last-Event-ID": number}).text)
            == found[place + 1 :]
        )


def test_a_reader_that_has_the_end_gets_a_204(client, finished):
    last = events_in(events(client, finished).text)[-1]["sequence_number"]

    response = events(client, finished, **{"Last-Event-ID": str(last)})

    assert (response.status_code, response.data) == (204, b"")


def test_the_header_of_a_browser_wins_over_its_address(client, finished):
    found = events_in(events(client, finished).text)
    header = {"Last-Event-ID": str(found[3]["sequence_number"])}

    assert events_in(events(client, finished, "?starting_after=1", **header).text) == found[4:]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?starting_after=-1", "too_small"),
        ("?starting_after=x", "not_an_integer"),
        ("?starting_after=1.5", "not_an_integer"),
        ("?starting_after=", "not_an_integer"),
        ("?starting_after=99999999999999999999999", "too_large"),
        ("?starting_after=99999999", "too_large"),
    ],
)
def test_a_place_that_cannot_be_is_refused_by_name(client, finished, query, code):
    refused = events(client, finished, query)

    assert refused.status_code == 422
    assert [(e["field"], e["code"]) for e in refused.json["errors"]] == [("starting_after", code)]


@pytest.mark.parametrize("sent", ["x", "-1", "1e3", "1" * 40])
def test_a_last_event_id_that_is_no_number_is_refused_by_name(client, finished, sent):
    refused = events(client, finished, **{"Last-Event-ID": sent})

    assert (refused.status_code, refused.json["code"]) == (400, "invalid_header")
    assert refused.json["errors"][0]["field"] == "Last-Event-ID"


def numbers_sent(client, job_id: str) -> set[int]:
    """The number of every event and character of a finished job's stream, and the start."""
    numbers = {0}
    for event in events_in(events(client, job_id).text):
        numbers |= {event["sequence_number"] - back for back in range(len(event.get("text", "x")))}
    return numbers


def refused_numbers(client, job_id: str, numbers) -> set[int]:
    """Numbers that are refused, in the header as in the query."""
    refused = set()
    for number in numbers:
        by_header = events(client, job_id, **{"Last-Event-ID": str(number)})
        by_query = events(client, job_id, f"?starting_after={number}")
        assert (by_header.status_code, by_query.status_code) in ((200, 200), (204, 204), (400, 422))
        if by_header.status_code == 400:
            assert by_header.json["code"] == "invalid_header"
            assert by_header.json["errors"][0]["field"] == "Last-Event-ID"
            assert by_query.json["errors"][0]["field"] == "starting_after"
            refused.add(number)
    return refused


def test_a_number_that_no_event_of_the_stream_has_had_is_refused(client, finished):
    sent = numbers_sent(client, finished)
    [base] = [n for n in sent if n + 1 not in sent and n + 2 in sent and n + 3 in sent][-1:]
    every = set(range(max(sent) + 5)) | {max(sent) + SEQUENCE_GAP, 10**17}

    assert refused_numbers(client, finished, every) == every - sent - {base + 1}


def test_a_number_of_a_run_that_is_not_kept_is_taken_and_one_that_it_cannot_have_had_is_not(
    client, job
):
    generating(job, "Half")
    with unit_of_work() as session:
        assert cancel(session, job)
    sent = numbers_sent(client, job)
    text_ends = max(n for n in sent if n < SEQUENCE_GAP)

    assert max(sent) > SEQUENCE_GAP
    ahead = {text_ends + 1, text_ends + 2000}
    never = {text_ends + SEQUENCE_GAP // 2, max(sent) - 1, max(sent) + 1}
    assert refused_numbers(client, job, ahead | never) == never


def test_a_number_of_a_stage_that_was_tried_again_is_taken(client, job):
    with unit_of_work() as session:
        fence = Fence(job, 1, "intent", uuid4())
        assert begin(session, fence)
        record = StageRecord(status="pending", ms=1, began=2, ended=3)
        assert wait(session, fence, timedelta(0), record, 3, counts=True)
    with unit_of_work() as session:
        take_due(session, 1000)
    finish(job)

    assert refused_numbers(client, job, {2, 3, 4}) == set()


def test_the_text_of_a_failed_answer_had_its_numbers(client, job):
    for stage in ("intent", "compress"):
        run(job, stage)
    fence = Fence(job, 1, "generate", uuid4())
    with unit_of_work() as session:
        begun = begin(session, fence)
        assert begun is not None
        ended = begun.sequence + 10
        record = StageRecord(status="failed", ms=1, began=begun.sequence, ended=ended)
        assert fail(session, fence, "internal", "It broke.", record, ended + 1)

    assert refused_numbers(client, job, range(begun.sequence, ended + 3)) == {ended + 2}


def test_an_empty_last_event_id_is_none(client, finished):
    whole = events(client, finished)

    assert events_in(events(client, finished, **{"Last-Event-ID": ""}).text) == events_in(
        whole.text
    )


def test_every_block_of_a_stream_is_an_event(client, finished):
    """To many readers, every empty line ends an event."""
    blocks = events(client, finished).text.split("\n\n")

    assert blocks.pop() == ""
    assert blocks[0].startswith("retry: 2000\nid: 1\nevent: job.queued\ndata: ")
    assert len(blocks) == len(events_in(events(client, finished).text))
    for block in blocks:
        fields = [line.split(":", 1)[0] for line in block.split("\n")]
        assert [field for field in fields if field != "retry"] == ["id", "event", "data"]


def test_an_end_of_line_in_a_text_ends_no_line_of_the_stream(client, job):
    text = "a\u2028b\u2029c\x85d\ne\r\nf"
    for stage in ("intent", "compress"):
        run(job, stage)
    run(job, "generate", text)
    run(job, "persist")

    lines = events(client, job).text.splitlines()

    [line] = [line for line in lines if '"job.delta"' in line]
    assert json.loads(line.removeprefix("data: "))["text"] == text


def test_a_place_far_beyond_a_running_text_is_refused(client, job):
    generating(job, "Half")

    assert refused_numbers(client, job, {SEQUENCE_GAP + 12}) == {SEQUENCE_GAP + 12}


def test_a_foreign_job_is_as_unknown_as_none(client, stranger, finished):
    foreign, unknown = events(stranger, finished), events(client, UNKNOWN)

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json["detail"] == unknown.json["detail"]


def test_a_failed_job_tells_its_end_and_not_what_was_dropped(client, job):
    for stage in ("intent", "compress"):
        run(job, stage)
    run(job, "generate", ANSWER)
    fence = Fence(job, 1, "persist", uuid4())
    with unit_of_work() as session:
        assert begin(session, fence)
        assert fail(session, fence, "internal", "It broke.", StageRecord(status="failed", ms=1))

    found = events_in(events(client, job).text)

    assert found[-1]["type"] == "job.failed"
    assert found[-1]["job"]["error"]["code"] == "internal"
    assert "job.delta" not in [event["type"] for event in found]


def test_a_running_text_that_redis_has_not_comes_as_a_snapshot(serve, job_of, until):
    client = serve()
    job_id = job_of(client)
    generating(job_id, "Half an ans")

    with client.stream("GET", f"/v1/jobs/{job_id}/events") as response:
        lines = (line for line in response.iter_lines() if line.startswith("data: "))
        found = [json.loads(next(lines).removeprefix("data: ")) for _ in range(7)]

    assert (found[-1]["type"], found[-1]["text"]) == ("job.snapshot", "Half an ans")


@pytest.fixture
def job_of():
    return lambda client: client.post("/v1/jobs", json=HELLO).json()["id"]


def test_beyond_the_limit_a_stream_is_refused_and_all_else_is_served(serve, job_of, until):
    client = serve(WEB_STREAMS="1")  # one stream
    job_id = job_of(client)

    with client.stream("GET", f"/v1/jobs/{job_id}/events") as first:
        lines = first.iter_lines()  # dropping it would close the connection
        assert next(lines) == "retry: 2000"
        refused = client.get(f"/v1/jobs/{job_id}/events")
        assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")
        assert int(refused.headers["Retry-After"]) > 0
        assert client.get(f"/v1/jobs/{job_id}").status_code == 200
        waited = client.post("/v1/jobs", json=HELLO, headers={"Prefer": "wait=5"})
        assert waited.status_code == 202
        assert "Preference-Applied" not in waited.headers
    finish(job_id)
    until(lambda: client.get(f"/v1/jobs/{job_id}/events").status_code == 200)


def test_a_reader_that_takes_nothing_in_loses_its_place(serve, job_of, until, sockets):
    client = serve(WEB_STREAMS="1", SEND_TIMEOUT_S="2")
    job_id = job_of(client)
    generating(job_id, "x" * 8_000_000)
    slow = socket.socket(socket.AF_UNIX)
    slow.connect(sockets[0])
    head = [f"GET /v1/jobs/{job_id}/events HTTP/1.1", "Host: web"]
    head += [f"{name}: {client.headers[name]}" for name in ("Authorization", "X-Trimind-User")]
    slow.sendall("\r\n".join([*head, "", ""]).encode())
    slow.settimeout(20)
    assert slow.recv(12) == b"HTTP/1.1 200"  # so it has the only slot, and reads no more
    assert client.get(f"/v1/jobs/{job_id}/events").status_code == 503

    finish_text(job_id)
    until(lambda: client.get(f"/v1/jobs/{job_id}/events").status_code == 200, 40)

    slow.close()


def finish_text(job_id: str) -> None:
    """End a job, so that its stream ends."""
    with unit_of_work() as session:
        assert cancel(session, job_id)
        job = session.get(Job, job_id)
        assert job is not None
        job.partial = "short"


def test_a_web_process_that_is_asked_to_end_ends_its_streams(serve, job_of, servers):
    client = serve()
    job_id = job_of(client)

    with client.stream("GET", f"/v1/jobs/{job_id}/events") as response:
        lines = response.iter_lines()
        assert next(lines) == "retry: 2000"
        servers[0].terminate()
        assert [line for line in lines if line.startswith("event")] == ["event: job.queued"]


def test_a_stream_in_which_nothing_happens_is_kept_open_by_a_comment(serve, job_of):
    client = serve(HEARTBEAT_S="1")
    job_id = job_of(client)

    with client.stream("GET", f"/v1/jobs/{job_id}/events") as response:
        lines = response.iter_lines()
        began = time.monotonic()
        assert next(line for line in lines if line.startswith(":")) == ": nothing new"

    assert time.monotonic() - began < 6
