"""A job's events, translated to OpenAI's."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.openai.responses.translate import translate
from app.streaming.events import Event
from models.job_options import Options
from models.jobs import Job

from ..conftest import ULID

pytestmark = pytest.mark.usefixtures("settled")

FOREGROUND = Options(background=False).to_json()
G = 6  # where generate begins
DONE = {"status": "completed", "answer": "Hello there", "finish_reason": "stop"}


def stage(number: int, name: str, status: str) -> Event:
    return Event(number, "job.stage", {"stage": {"name": name, "status": status, "ms": None}})


def delta(number: int, text: str) -> Event:
    return Event(number, "job.delta", {"text": text})


BEFORE_TEXT = [
    Event(1, "job.queued", {}),
    stage(2, "intent", "running"),
    stage(3, "intent", "completed"),
    stage(4, "compress", "skipped"),
    stage(G, "generate", "running"),
]
AFTER_TEXT = [
    stage(19, "generate", "completed"),
    Event(20, "job.usage", {"input_tokens": 7, "output_tokens": 3, "cost_usd": "0.000000"}),
    stage(21, "persist", "running"),
    stage(22, "persist", "completed"),
    Event(23, "job.completed", {"job": {}}),
]
LIFE = [*BEFORE_TEXT, delta(12, "Hello"), delta(18, " there"), *AFTER_TEXT]


def translated(
    job: Job, events: Iterable[Event | None], after: int | None = None, now: Job | None = None
) -> list[Any]:
    async def one_by_one() -> AsyncIterator[Event | None]:
        for event in events:
            yield event

    async def sent() -> list[Any]:
        stream = translate(job, one_by_one(), after, lambda: now or job)
        return [each async for each in stream]

    return asyncio.run(sent())


def going_on(*of: Any, **more: Any) -> list[Any]:
    """The events of an unfinished life, without the error that says so."""
    *sent, last = translated(*of, **more)
    assert (last["type"], last["code"]) == ("error", "stream_cut_off")
    return sent


def short(sent: list[Any]) -> list[tuple[int, str]]:
    return [(each["sequence_number"], each["type"].removeprefix("response.")) for each in sent]


def text_of(sent: list[Any]) -> str:
    return "".join(each.get("delta", "") for each in sent)


def test_the_events_of_a_life_are_those_of_openai(job):
    sent = translated(job(**DONE), LIFE)

    assert short(sent) == [
        (0, "created"),
        (1, "queued"),
        (2, "in_progress"),
        (6, "output_item.added"),
        (7, "content_part.added"),
        (12, "output_text.delta"),
        (18, "output_text.delta"),
        (19, "output_text.done"),
        (20, "content_part.done"),
        (21, "output_item.done"),
        (23, "completed"),
    ]
    by_type = {each["type"].removeprefix("response."): each for each in sent}
    assert by_type["created"]["response"]["status"] == "queued"
    assert by_type["created"]["response"]["output"] == []
    assert by_type["in_progress"]["response"]["status"] == "in_progress"
    assert by_type["output_text.done"]["text"] == "Hello there"
    assert by_type["content_part.done"]["part"]["text"] == "Hello there"
    assert by_type["output_item.done"]["item"]["content"][0]["text"] == "Hello there"
    assert by_type["completed"]["response"]["status"] == "completed"
    assert {each.get("item_id", f"msg_{ULID}") for each in sent} == {f"msg_{ULID}"}


def test_every_event_is_one_by_openais_own_models(job, theirs):
    for each in translated(job(**DONE), LIFE):
        assert theirs.read_event(each).type == each["type"]


def test_what_is_not_in_the_background_is_in_progress_from_the_start(job):
    sent = translated(job(options=FOREGROUND, **DONE), LIFE)

    assert short(sent)[:2] == [(0, "created"), (2, "in_progress")]
    assert sent[0]["response"]["status"] == "in_progress"


def test_the_package_puts_the_same_text_together(job, theirs):
    done = theirs.put_together(translated(job(**DONE), LIFE))

    assert done.output_text == "Hello there"


def test_a_reader_goes_on_after_any_event_without_a_gap_or_a_repeat(job):
    whole = translated(job(**DONE), LIFE)

    for after in [each["sequence_number"] for each in whole]:
        rest = translated(job(**DONE), LIFE, after)
        assert rest == [each for each in whole if each["sequence_number"] > after]


def test_a_reader_goes_on_though_the_text_comes_in_other_pieces(job):
    for pieces in (["Hello there"], list("Hello there"), ["Hel", "lo ther", "e"]):
        number, events = G + 1, []
        for piece in pieces:
            number += len(piece)
            events.append(delta(number, piece))
        for read in range(len("Hello there") + 1):
            rest = translated(job(**DONE), [*BEFORE_TEXT, *events, *AFTER_TEXT], G + 1 + read)
            assert text_of(rest) == "Hello there"[read:]
            assert not {"output_item.added", "content_part.added"} & {
                kind for _, kind in short(rest)
            }


def test_numbers_only_grow(job):
    for after in (None, 0, 6, 9, 23):
        numbers = [number for number, _ in short(translated(job(**DONE), LIFE, after))]
        assert all(first < second for first, second in pairwise(numbers))


def test_after_a_gap_the_part_that_is_lacking_comes(job):
    sent = going_on(job(**DONE), [*BEFORE_TEXT, delta(12, "Hello"), snapshot(18, "Hello there")])

    assert text_of(sent) == "Hello there"
    assert sent[-1]["delta"] == " there"
    assert (
        text_of(translated(job(), [*BEFORE_TEXT, snapshot(18, "Hello there")], 14)) == "there"[-4:]
    )


def snapshot(number: int, text: str) -> Event:
    return Event(number, "job.snapshot", {"text": text})


def restarted(number: int) -> Event:
    return Event(number, "job.restarted", {})


DONE_AGAIN = {**DONE, "answer": "Hello"}


@pytest.mark.parametrize(
    "again",
    [
        [restarted(13), delta(18, "Hello")],
        [restarted(13), delta(14, "H"), delta(18, "ello")],
        [snapshot(36, "Hello")],
        [stage(30, "generate", "running"), restarted(31), delta(36, "Hello")],
        [restarted(13), delta(16, "Wro"), *AFTER_TEXT],
    ],
)
def test_a_text_that_is_begun_again_and_differs_ends_the_stream_by_an_error(job, again):
    sent = translated(job(**DONE), [*BEFORE_TEXT, delta(12, "Wrong"), *again, *AFTER_TEXT])

    assert short(sent)[5:] == [(12, "output_text.delta"), (12, "error")]
    assert sent[-1]["code"] == sent[-1]["error"]["code"] == "response_restarted"
    assert f"GET /v1/responses/resp_{ULID}" in sent[-1]["message"]


def test_a_text_that_is_begun_again_and_is_the_same_goes_on_past_what_was_sent(job):
    anew = [restarted(13), delta(16, "Hel"), delta(19, "lo "), delta(24, "there")]

    sent = translated(
        job(**DONE), [*BEFORE_TEXT, delta(12, "Hello"), *anew, *later(AFTER_TEXT, 10)]
    )

    assert short(sent)[5:8] == [
        (12, "output_text.delta"),
        (19, "output_text.delta"),
        (24, "output_text.delta"),
    ]
    assert text_of(sent) == sent[-1]["response"]["output"][0]["content"][0]["text"] == "Hello there"


def later(events: list[Event], by: int) -> list[Event]:
    return [Event(event.number + by, event.type, event.data) for event in events]


def test_a_reader_from_the_start_gets_the_last_text_alone(job):
    """Of an earlier run, only the fact that there was one is left."""
    life = [*BEFORE_TEXT, restarted(13), delta(18, "Hello"), *AFTER_TEXT]

    sent = translated(job(**DONE_AGAIN), life)

    assert short(sent)[3:6] == [
        (6, "output_item.added"),
        (13, "content_part.added"),
        (18, "output_text.delta"),
    ]
    assert short(sent)[-1] == (23, "completed")


@pytest.mark.parametrize("after", [7, 9, 12])
def test_resuming_an_earlier_text_is_an_error(job, after):
    replayed = [*BEFORE_TEXT, restarted(13), delta(18, "Hello"), *AFTER_TEXT]

    [error] = translated(job(**DONE_AGAIN), replayed, after)

    assert (error["code"], error["sequence_number"]) == ("response_restarted", after)


@pytest.mark.parametrize("after", [2, 5, 6, 13, 15])
def test_a_reader_without_earlier_text_gets_no_error(job, after):
    replayed = [*BEFORE_TEXT, restarted(13), delta(18, "Hello"), *AFTER_TEXT]

    sent = translated(job(**DONE_AGAIN), replayed, after)

    assert text_of(sent) == "Hello"[max(0, after - 13) :]
    assert short(sent)[-1] == (23, "completed")


def test_a_stream_that_ends_before_its_response_says_so(job):
    sent = translated(job(), [*BEFORE_TEXT, delta(12, "Hello")])

    assert (sent[-1]["code"], sent[-1]["sequence_number"]) == ("stream_cut_off", 12)


PIECES = st.lists(st.tuples(st.sampled_from(["a", "ab", "ba", "aab"]), st.booleans()), max_size=4)


@given(
    runs=st.lists(PIECES, min_size=1, max_size=4),
    stop=st.integers(-1, 60),
    live=st.booleans(),
)
def test_whatever_runs_there_were_the_deltas_are_the_answer_or_an_error_ends_them(
    job, runs, stop, live
):
    """Also for a reader that resumes after any number, when earlier runs' events are gone."""
    events, number, answer = list(BEFORE_TEXT), G + 1, ""
    had: dict[int | None, str] = {None: "", 0: "", G: ""}
    for run in runs:
        if run is not runs[0]:
            number += 1
            events = [*(events if live else BEFORE_TEXT), restarted(number)]
        answer = ""
        for piece, whole in run:
            for character in piece:
                answer, number = answer + character, number + 1
                had[number] = answer
            events.append((snapshot if whole else delta)(number, answer if whole else piece))
    after = list(had)[min(stop, len(had) - 1)]
    done = job(**{**DONE, "answer": answer})

    sent = translated(done, [*events, *later(AFTER_TEXT, number)], after)

    kinds = [each["type"] for each in sent]
    assert kinds == [] or kinds[-1] in ("response.completed", "error")
    if "response.output_text.done" in kinds:
        assert had[after] + text_of(sent) == answer


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({**DONE, "answer": "", "finish_reason": "length"}, "incomplete"),
        ({"status": "failed", "error": {"code": "poison", "message": "x"}}, "failed"),
        ({"status": "expired", "error": {"code": "deadline_exceeded", "message": "x"}}, "failed"),
        ({"status": "cancelled"}, "cancelled"),
    ],
)
def test_every_end_has_an_event(job, columns, kind):
    end = Event(9, f"job.{columns['status']}", {"job": {}})

    sent = translated(job(), [BEFORE_TEXT[0], end], now=job(**columns))

    assert short(sent) == [(0, "created"), (1, "queued"), (9, kind)]
    assert sent[-1]["response"]["status"] == kind


def test_an_empty_answer_has_its_item_and_its_part(job):
    ends = [stage(8, "generate", "completed"), *later(AFTER_TEXT[1:], -11)]
    sent = translated(
        job(**{**DONE, "answer": "", "finish_reason": "length"}), [*BEFORE_TEXT, *ends]
    )

    assert short(sent)[3:] == [
        (6, "output_item.added"),
        (7, "content_part.added"),
        (8, "output_text.done"),
        (9, "content_part.done"),
        (10, "output_item.done"),
        (12, "incomplete"),
    ]
    assert sent[-1]["response"]["output"][0]["content"][0]["text"] == ""


def test_an_item_that_is_cut_is_incomplete(job):
    sent = translated(job(**{**DONE, "finish_reason": "length"}), LIFE)

    done = next(each for each in sent if each["type"] == "response.output_item.done")
    assert done["item"]["status"] == "incomplete"


def test_silence_is_passed_on(job):
    assert going_on(job(), [None])[1:] == [None]


def test_a_stage_that_begins_again_has_one_event(job):
    again = [stage(5, "intent", "running"), stage(6, "intent", "completed")]
    stages = [stage(8, "compress", "skipped"), stage(10, "generate", "running")]
    text = [delta(16, "Hello"), *AFTER_TEXT[:3], stage(24, "persist", "running")]
    life = [*BEFORE_TEXT[:2], *again, *stages, *text, Event(26, "job.completed", {"job": {}})]

    whole = translated(job(**DONE_AGAIN), life)

    kinds = [kind for _, kind in short(whole)]
    assert len(kinds) == len(set(kinds))
    replayed = [event for event in life if event.number not in (2, 21)]
    for after in [each["sequence_number"] for each in whole]:
        rest = [each for each in whole if each["sequence_number"] > after]
        assert translated(job(**DONE_AGAIN), replayed, after) == rest
