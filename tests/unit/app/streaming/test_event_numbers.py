"""The worker that numbers a text's characters and the web that resumes by them agree."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.streaming.events import Event
from app.streaming.follower import Follower
from models.jobs import Job
from models.lifecycle.event_numbers import (
    QUEUED,
    NumberedText,
    after_stage,
    next_number,
    text_base,
)
from tasks.events.envelope import Envelope
from tasks.execution.output_buffer import OutputBuffer

COST = {"input_tokens": 1, "output_tokens": 1, "cost_usd": "0.000000"}
TEXT = st.text("aé𝄞\n", min_size=1, max_size=4)
# Pieces of text, or None where another model starts again. An answer without text is not here: a
# reader takes it from the row.
PIECES = st.tuples(TEXT, st.lists(st.one_of(st.none(), TEXT), max_size=8))


@dataclass
class Generate:
    """A worker's generate of a job: the published events and the resulting row."""

    began: int
    pieces: list[str | None]
    restarts: int
    published: list[Envelope] = field(default_factory=list)

    def run(self) -> Job:
        text = OutputBuffer(text_base(self.began), self.restarts, self.publish)
        self.published.append(Envelope.step("stage", self.began, {"name": "generate"} | RUNNING))
        if self.restarts:
            self.publish(None, self.began, text_base(self.began))
        for piece in self.pieces:
            if piece is None:
                text.restart()
            else:
                text.add(piece)
        saved = text.saved()
        line = {"status": "completed", "ms": 1, "began": self.began}
        line["ended"] = ended = next_number(saved.number)
        self.published.append(Envelope.step("stage", ended, {"name": "generate", **line}))
        self.published.append(Envelope.step("usage", after_stage(ended), COST))
        return Job(
            id="job_1",
            status="in_progress",
            slot="queued",
            stage="persist",
            stages={"generate": line},
            answer=saved.text,
            sequence=after_stage(ended),
            input_tokens=1,
            output_tokens=1,
            cost_usd=Decimal(0),
            **saved.place,
        )

    def publish(self, text: str | None, before: int, number: int) -> None:
        kind, data = ("restarted", {}) if text is None else ("text", {"text": text})
        self.published.append(Envelope(kind, before, number, data))  # type: ignore[arg-type]


RUNNING = {"status": "running"}
GENERATES = st.builds(
    Generate,
    began=st.integers(2, 50),
    pieces=PIECES.map(lambda pieces: [pieces[0], *pieces[1]]),
    restarts=st.integers(0, 2),
)


def shown(events: Iterable[Event], text: str = "") -> str:
    """The text that a client shows after these events."""
    for event in events:
        if event.type == "job.restarted":
            text = ""
        elif event.type == "job.delta":
            text += event.data["text"]
    return text


def live(generate: Generate, after: int) -> list[Event]:
    """The events sent to a client that resumes after `after` while the stage runs."""
    follower = Follower("user_1", "job_1", after)
    return [event for message in generate.published for event in follower.take(message)]


def up_to(generate: Generate, at: int) -> Iterable[Event]:
    """The events up to a number, which may be within a piece of text."""
    for event in live(generate, generate.began - 1):
        if event.number <= at:
            yield event
        elif event.type == "job.delta":
            piece = NumberedText.ending_at(event.number, event.data["text"])
            yield Event(at, "job.delta", {"text": piece.up_to(at)})
            return
        else:
            return


@given(GENERATES)
def test_numbers_grow_and_each_message_follows_on_the_one_before(generate: Generate) -> None:
    generate.run()
    for earlier, later in pairwise(generate.published):
        assert later.before == earlier.number < later.number


@given(GENERATES, st.data())
def test_a_client_that_resumes_at_any_number_lacks_nothing_and_gets_nothing_twice(
    generate: Generate, data: st.DataObject
) -> None:
    job = generate.run()
    at = data.draw(st.integers(generate.began, job.sequence))
    from_row = Follower("user_1", "job_1", at)
    read, sent = list(from_row.read(job)), live(generate, at)
    had = shown(up_to(generate, at))
    assert shown(sent, had) == shown(read, had) == job.answer
    assert [event.number for event in read] == sorted({event.number for event in read})
    steps = ("job.stage", "job.usage")
    assert [e for e in read if e.type in steps] == [e for e in sent if e.type in steps]
    assert from_row.at == job.sequence


@given(st.integers(0, 50), st.text(max_size=20), st.integers(0, 80))
def test_a_text_is_cut_at_any_number_without_a_gap_or_a_repeat(
    base: int, text: str, number: int
) -> None:
    whole = NumberedText(base, text)
    assert whole.up_to(number) + whole.after(number) == text
    assert NumberedText.ending_at(whole.number, text) == whole
    if base <= number <= whole.number:
        assert NumberedText.ending_at(number, whole.up_to(number)).base == base


def test_the_first_number_is_that_of_a_job_that_is_queued() -> None:
    job = Job(id="job_1", status="queued", stages={}, restarts=0, text_base=None, sequence=QUEUED)
    events = list(Follower("user_1", "job_1", 0).read(job))
    assert [(event.number, event.type) for event in events] == [(QUEUED, "job.queued")]
