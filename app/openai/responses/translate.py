"""Translates a job's events into OpenAI's, for one reader.

The number of each of OpenAI's events is derived from the job's own, so that a reader can resume
after any of them, at any web process. Every job event is read, from the first; those that the
reader already has are processed but not sent.

    0                          response.created
    1 (job.queued)             response.queued, in the background
    2 (intent starts)          response.in_progress
    generate starts            response.output_item.added
    b                          response.content_part.added
    b + characters             response.output_text.delta
    e (generate ends)          response.output_text.done
    e + 1 (what it cost)       response.content_part.done
    e + 2 (persist starts)     response.output_item.done
    the end                    response.completed, .incomplete, .failed or .cancelled

A restarted stage has another number; its OpenAI event keeps that of the first start. b is the
number before the text's first character: the one after the start of generate, or the restart of the
text. The events for the start of generate and for b are sent with the first text, since the numbers
are known only then.

OpenAI's protocol can't retract text, and its clients concatenate all deltas. So what was sent is
always a prefix of the answer: after a restart nothing is sent until the new text is longer than
that, and if it differs, the stream ends with an `error`. So does a stream that ends before its
response.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator
from typing import Any, Final

from app.openai.errors import stream_error
from app.openai.ids import response_id_of
from app.openai.responses.body import CUT_SHORT, Status, TextPart, begun, item_of, response_body
from app.streaming.events import Event
from models.jobs import Job
from models.lifecycle.event_numbers import NumberedText, after_stage, next_number

Sent = dict[str, Any]

ENDS: Final = ("job.completed", "job.failed", "job.cancelled", "job.expired")
IN_PROGRESS_NUMBER: Final = 2
TEXT_IS_WHOLE: Final = ("persist", "running")
AT_TEXT: Final = {"output_index": 0, "content_index": 0}


RESTARTED: Final = "The answer was restarted after part of it had been sent"
CUT_OFF: Final = "The stream ended before the response did"


async def translate(
    job: Job, events: AsyncIterable[Event | None], after: int | None, read: Callable[[], Job]
) -> AsyncGenerator[Sent | None, None]:
    """Yield OpenAI's events for a job's, and None for a heartbeat. The last event is the response's
    end, or an `error`.

    Args:
        events: all of the job's events.
        after: yield only events after this number; None for all.
        read: reads the job's current row; called in a thread.
    """
    reader = _Reader(job, after, read)
    for sent in reader.opening():
        yield sent
    async for event in events:
        if event is None:
            yield None
            continue
        for sent in await _taken(reader, event):
            yield sent
        if reader.done:
            return
    for sent in reader.cut_off():
        yield sent


async def _taken(reader: "_Reader", event: Event) -> Iterable[Sent]:
    if reader.has_to_read(event):
        return await asyncio.to_thread(lambda: list(reader.take(event)))
    return reader.take(event)


class _Reader:
    """One reader's position, the text so far, and how much of it the reader has."""

    def __init__(self, job: Job, after: int | None, read: Callable[[], Job]) -> None:
        self.done = False
        self._job = job
        self._read = read
        self._after = after
        self._last = -1 if after is None else after
        self._item = False  # whether the output item was sent
        self._before_text = 0  # the number of the last event of the stages before generate
        self._generate = self._generated = 0  # the numbers of its start and its end
        self._base: int | None = None
        self._text = self._sent = ""
        self._catching_up = False  # whether a restarted text is not yet longer than what was sent

    def opening(self) -> Iterator[Sent]:
        body = response_body(self._job)
        status: Status = "queued" if body.background else "in_progress"
        yield from self._send(0, "response.created", response=begun(body, status))

    def has_to_read(self, event: Event) -> bool:
        """Whether `take` reads the job's row for this event."""
        stage = event.data.get("stage", {})
        return event.type in ENDS or (stage.get("name"), stage.get("status")) == TEXT_IS_WHOLE

    def take(self, event: Event) -> Iterator[Sent]:
        number, data = event.number, event.data
        match event.type:
            case "job.queued":
                yield from self._queue(number)
            case "job.stage":
                yield from self._stage(number, data["stage"])
            case "job.delta":
                yield from self._add_text(number, data["text"])
            case "job.snapshot":
                yield from self._add_text(number, data["text"], whole=True)
            case "job.restarted":
                self._restart_text()
            case "job.usage":
                part = TextPart(text=self._text)
                yield from self._send(
                    number, "response.content_part.done", **self._text_position(), part=part
                )
            case kind if kind in ENDS:
                yield from self._finish(number)

    def cut_off(self) -> Iterator[Sent]:
        """The error of a stream that ends before its response: this process shuts down, or the job
        was deleted. Empty if the reader has the end."""
        if not self.done:
            yield from self._fail("stream_cut_off", CUT_OFF)

    def _queue(self, number: int) -> Iterator[Sent]:
        body = response_body(self._job)
        if body.background:
            yield from self._send(number, "response.queued", response=begun(body, "queued"))

    def _stage(self, number: int, stage: dict[str, Any]) -> Iterator[Sent]:
        match stage["name"], stage["status"]:
            case "intent", "running":
                body = begun(response_body(self._job), "in_progress")
                yield from self._send(IN_PROGRESS_NUMBER, "response.in_progress", response=body)
            case "generate", "running":
                self._generate = number
            case "generate", "completed":
                yield from self._finish_text(number)
            case case if case == TEXT_IS_WHOLE and not self.done:
                cut = self._read().finish_reason in CUT_SHORT
                item = item_of(self._job.id, self._text, "incomplete" if cut else "completed")
                first = next_number(after_stage(self._generated))
                yield from self._send(first, "response.output_item.done", output_index=0, item=item)
        if stage["name"] in ("intent", "compress"):
            self._before_text = number

    # --- text

    def _add_text(self, number: int, text: str, *, whole: bool = False) -> Iterator[Sent]:
        first = NumberedText.ending_at(number, text).base
        if self._base is None or (whole and first != self._base):
            yield from self._start_text(first)
        if self.done or self._base is None:
            return
        self._text = text if whole else self._text + text
        if self._after is not None and self._after > self._base:
            had = NumberedText(self._base, self._text).up_to(self._after)
            self._sent = max(self._sent, had, key=len)
        if self._catching_up and not self._text.startswith(self._sent):
            if not self._sent.startswith(self._text):
                yield from self._fail("response_restarted", RESTARTED)
            return
        self._catching_up = False
        if delta := self._text[len(self._sent) :]:
            self._sent = self._text
            yield from self._send(
                number,
                "response.output_text.delta",
                **self._text_position(),
                delta=delta,
                logprobs=[],
            )

    def _start_text(self, base: int) -> Iterator[Sent]:
        """Send the output item, once. Fails if the reader has part of an earlier text, which is no
        longer known."""
        if self._base is not None:
            self._restart_text()
        elif not self._item and self._read_earlier_text(base):
            yield from self._fail("response_restarted", RESTARTED)
            return
        if not self._item:
            item, part = item_of(self._job.id, None, "in_progress"), TextPart(text="")
            yield from self._send(
                self._generate, "response.output_item.added", output_index=0, item=item
            )
            yield from self._send(
                base, "response.content_part.added", **self._text_position(), part=part
            )
        self._item, self._base = True, base
        if self._after is not None and self._after >= base:  # the reader has part of this text
            self._sent, self._catching_up = "", False

    def _read_earlier_text(self, base: int) -> bool:
        """Whether the reader stopped within an earlier text, which is no longer known. The first
        generate started two numbers after the end of compress."""
        after = self._after
        return (
            after is not None
            and next_number(self._before_text) < after < base
            and after != self._generate
        )

    def _restart_text(self) -> None:
        self._base, self._text, self._catching_up = None, "", bool(self._sent)

    def _finish_text(self, number: int) -> Iterator[Sent]:
        self._generated = number
        if self._sent != self._text:
            yield from self._fail("response_restarted", RESTARTED)
        elif not self._item:  # the answer is empty
            yield from self._start_text(number - 1)
        if self.done:
            return
        yield from self._send(
            number,
            "response.output_text.done",
            **self._text_position(),
            text=self._text,
            logprobs=[],
        )

    # --- ends

    def _finish(self, number: int) -> Iterator[Sent]:
        now = self._read()
        if number > self._last and now.status == "completed" and self._sent != (now.answer or ""):
            yield from self._fail("response_restarted", RESTARTED)
            return
        body = response_body(now)
        yield from self._send(number, f"response.{body.status}", response=body)
        self.done = True

    def _fail(self, code: str, what: str) -> Iterator[Sent]:
        self.done = True
        yield stream_error(response_id_of(self._job.id), max(0, self._last), code, what)

    def _text_position(self) -> dict[str, Any]:
        return {"item_id": item_of(self._job.id, None, "in_progress").id, **AT_TEXT}

    def _send(self, number: int, kind: str, **data: Any) -> Iterator[Sent]:
        if number <= self._last:
            return
        self._last = number
        shown = {
            name: value.model_dump() if hasattr(value, "model_dump") else value
            for name, value in data.items()
        }
        yield {"type": kind, "sequence_number": number, **shown}
