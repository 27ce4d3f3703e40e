"""Streams under faults: a reader neither misses nor repeats anything, whatever breaks."""

import threading
from collections.abc import Callable
from random import Random

import httpx
import psycopg
import pytest

from .load import Load
from .reading import Reader
from .stack import Stack
from .waiting import wait_for
from .workers import Fleet

# About six seconds of text.
SLOWLY = {"latency_s": [0.4, 0.4], "words": 60}

Submit = Callable[[], Reader]


@pytest.fixture
def submit(stack: Stack, fleet: Fleet, load: Load) -> Submit:
    """`submit()`: a reader of a job with a slow answer."""
    stack.set_faults(**SLOWLY)

    def do() -> Reader:
        with httpx.Client(timeout=20) as client:
            promise = load.submit(client)
        return Reader(f"{stack.web}/v1/jobs/{promise.job_id}/events", stack.key)

    return do


def read_until_text(reader: Reader) -> Reader:
    """Read some of the text, then drop the connection."""
    return reader.read(lambda: reader.text.count("And") >= 3)


def test_a_stream_tells_each_stage_the_text_and_the_end(submit: Submit) -> None:
    reader = submit().read()
    reader.check()
    stages = [(t["stage"]["name"], t["stage"]["status"]) for t in reader.events if "stage" in t]
    assert [name for name, status in stages if status == "running"] == [
        "intent",
        "compress",
        "generate",
        "persist",
    ]
    assert reader.types[0] == "job.queued"
    assert reader.types.count("job.delta") > 10
    assert reader.types[-1] == "job.completed"
    assert {"job.usage", "job.stage"} <= set(reader.types)
    assert {"job.snapshot", "job.restarted"}.isdisjoint(reader.types)


def test_a_reader_that_comes_back_after_every_event_lacks_and_repeats_nothing(
    submit: Submit,
) -> None:
    reader = submit()
    while not reader.ended:
        reader.read(lambda: True)
    reader.check()
    assert {"job.snapshot", "job.restarted"}.isdisjoint(reader.types)


def test_who_comes_late_gets_everything_and_the_end_stays_for_good(
    stack: Stack, submit: Submit
) -> None:
    early = submit()
    late = Reader(early._url, stack.key)
    read_until_text(early)
    late.read_to_end().check()
    early.read_to_end().check()
    stack.redis().flushall()
    replay = Reader(early._url, stack.key).read()
    replay.check()
    assert replay.text == late.text == early.text
    middle = early.events[len(early.events) // 2]
    rest = Reader(early._url, stack.key).read(after=middle["id"])
    assert early.text.endswith(rest.text)
    assert rest.events[0]["sequence_number"] > middle["sequence_number"]


def test_a_web_process_that_is_killed_costs_a_reader_nothing(stack: Stack, submit: Submit) -> None:
    reader = read_until_text(submit())
    stack.kill_web()
    reader.read_to_end().check()
    assert {"job.snapshot", "job.restarted"}.isdisjoint(reader.types)


def test_a_gap_that_redis_cannot_fill_is_bridged_by_the_whole_text(
    stack: Stack, submit: Submit
) -> None:
    reader = read_until_text(submit())
    missed = len(reader.text)
    wait_for(lambda: saved(stack) > missed, 5, "the text to go on without the reader")
    stack.redis().flushall()
    reader.read_to_end().check()
    assert "job.snapshot" in reader.types
    assert "job.restarted" not in reader.types


def test_an_answer_that_is_generated_again_after_a_crash_says_so(
    stack: Stack, fleet: Fleet, submit: Submit
) -> None:
    reader = read_until_text(submit())
    stack.set_faults(**(SLOWLY | {"latency_s": [0.1, 0.1]}))  # for the new answer
    for worker in fleet.workers:
        worker.kill()
    fleet.wait_until_ready()
    reader.read_to_end().check()
    assert "job.restarted" in reader.types


def test_without_redis_a_reader_learns_all_the_same(stack: Stack, submit: Submit) -> None:
    reader = read_until_text(submit())
    waiting = threading.Thread(target=reader.read_to_end)
    waiting.start()
    stack.kill_redis()
    wait_for(lambda: saved(stack) == 0, 60, "the answer to be checkpointed without Redis")
    stack.backends.restart("redis")
    waiting.join(60)
    reader.check()


def test_who_comes_while_redis_is_away_hears_each_piece_once_it_is_back(
    stack: Stack, submit: Submit
) -> None:
    reader = submit()
    stack.set_faults(latency_s=[0.4, 0.4], words=120)
    wait_for(lambda: saved(stack) > 0, 20, "some of the text")
    stack.kill_redis()
    following = threading.Thread(target=reader.read_to_end)
    following.start()
    wait_for(lambda: "job.snapshot" in reader.types, 10, "the reader to have what there is")
    stack.backends.restart("redis")
    following.join(60)
    reader.check()
    assert reader.types.count("job.delta") > 10


def test_a_job_that_is_cancelled_ends_at_once_with_its_streams_and_its_call(
    stack: Stack, submit: Submit
) -> None:
    reader = read_until_text(submit())
    wait_for(lambda: saved(stack) >= len("This answers"), 10, "some words to be saved")
    headers = {"Authorization": f"Bearer {stack.key}"}
    cancelled = httpx.post(reader._url.replace("events", "cancel"), headers=headers, timeout=10)
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert cancelled.elapsed.total_seconds() < 1
    assert cancelled.json()["output"].startswith("This answers")
    reader.read_to_end()
    assert reader.types[-1] == "job.cancelled"
    wait_for(lambda: stack.calls()[-1]["ended"], 2, "the worker to hang up at its next chunk")
    assert not stack.calls()[-1]["whole"]


def test_a_wait_is_over_when_the_job_is(stack: Stack, fleet: Fleet, rng: Random) -> None:
    stack.set_faults(latency_s=[0.5, 0.5])
    headers = {"Authorization": f"Bearer {stack.key}", "Prefer": "wait=20"}
    message = {"message": f"Please consider [#{rng.randbytes(8).hex()}] and answer."}
    answer = httpx.post(f"{stack.web}/v1/jobs", json=message, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert 0.5 < answer.elapsed.total_seconds() < 15


def saved(stack: Stack) -> int:
    """The length of the saved text of the only unfinished job."""

    query = "SELECT coalesce(max(length(partial)), 0) FROM jobs WHERE slot IS NOT NULL"
    with psycopg.connect(stack.database_url) as connection:
        row = connection.execute(query).fetchone()
        return int(row[0]) if row else 0


def test_a_broadcast_is_one_stream_that_a_dropped_reader_goes_on_with(
    stack: Stack, fleet: Fleet, rng: Random
) -> None:
    stack.set_faults(**SLOWLY)
    headers = {"Authorization": f"Bearer {stack.key}"}
    message = {"message": f"Please consider [#{rng.randbytes(8).hex()}] and answer."}
    made = httpx.post(f"{stack.web}/v1/broadcasts", json=message, headers=headers, timeout=20)
    reader = Reader(f"{stack.web}{made.headers['Location']}/events", stack.key)
    reader.read(lambda: reader.types.count("job.delta") == 9)
    reader.read(lambda: reader.types.count("job.delta") == 18)
    while "broadcast" not in reader.events[-1]:
        reader.read()
    whole = reader.events[-1]["broadcast"]
    assert (reader.types[-1], len(whole["jobs"])) == ("broadcast.completed", 3)
    for job in whole["jobs"]:
        pieces = [event for event in reader.events if event.get("job_id") == job["id"]]
        assert "".join(event.get("text", "") for event in pieces) == job["output"]
        numbers = [event["sequence_number"] for event in pieces]
        assert numbers == sorted(set(numbers))
