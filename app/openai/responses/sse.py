"""A response's events as server-sent events."""

import asyncio
from contextlib import aclosing
from typing import Final

from app.openai.responses.calls import Call, note_streamed, settle
from app.openai.responses.translate import translate
from app.streaming.follow import follow
from app.streaming.sse import HEARTBEAT, Lines, sse_line
from models.errors import NotFound
from models.job_options import Options
from models.jobs import Job, find_job
from models.session import unit_of_work

ENDS: Final = ("completed", "incomplete", "failed", "cancelled")
ANSWERING: Final = ("response.output_text.delta", *(f"response.{end}" for end in ENDS))


async def response_lines(job: Job, after: int | None, call: Call | None = None) -> Lines:
    """The lines of a response's stream.

    All of the job's events are read, whatever `after` is: its row has them at once. A read to the
    end of the response, without a call, counts as a delivered answer too.

    Args:
        after: only events after this number; None for all.
        call: answered once some text or the end was sent, and no error after that; in the
            background, once the response's id was sent.
    """

    def read() -> Job:
        with unit_of_work() as session:
            now = find_job(session, job.user_id, job.id)
        if now is None:
            raise NotFound("The job was deleted with its user.")
        return now

    background = Options.of(job.options).background is not False
    answered = ended = False
    try:
        async with (
            aclosing(follow(job, 0)) as events,
            aclosing(translate(job, events, after, read)) as all_sent,
        ):
            async for event in all_sent:
                if event is None:
                    yield HEARTBEAT
                    continue
                yield sse_line(event["type"], event)
                kind = event["type"]
                ended = kind.removeprefix("response.") in ENDS
                answered = background or kind in ANSWERING or (answered and kind != "error")
    finally:
        if call is not None:
            await asyncio.to_thread(settle, call, answered=answered)
        elif ended and not background:
            await asyncio.to_thread(note_streamed, job.id)
