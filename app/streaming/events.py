"""What happened to a job, as events: all of them can be read off its row.

An event's number is where a client goes on from. Steps have a number each; of a text every
character has one, and a piece of text that of its last character. So a piece can be cut wherever a
client stopped, and numbers grow without being consecutive.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.schemas.jobs import job_body, output_of, stage_body
from models.jobs import FINISHED, STAGES, UNFINISHED, Job
from models.lifecycle.event_numbers import QUEUED, NumberedText, after_stage
from tasks.events.envelope import Envelope


@dataclass(frozen=True)
class Event:
    """One event of a job: its number, its type, and what belongs to it."""

    number: int
    type: str
    data: dict[str, Any]

    @property
    def final(self) -> bool:
        """Whether it is the job's end."""
        return self.type.removeprefix("job.") in FINISHED


@dataclass(frozen=True)
class Text(NumberedText):
    """What a row has of a job's text; `whole`: no more will come."""

    whole: bool


def steps_of(job: Job) -> list[Event]:
    """Everything but the text, in order; of a stage that was tried again, the last run."""
    steps = [Event(QUEUED, "job.queued", {})]
    for name in STAGES:
        steps += _stage_steps(name, job.stages.get(name, {}))
    if job.restarts and job.text_base is not None:
        steps.append(Event(job.text_base, "job.restarted", {}))
    if "ended" in (answered := job.stages.get("generate", {})) and job.answer is not None:
        steps.append(Event(after_stage(answered["ended"]), "job.usage", _usage(job)))
    if job.status not in UNFINISHED:
        end = {"job": job_body(job).model_dump()}
        steps.append(Event(job.sequence, f"job.{job.status}", end))
    return sorted(steps, key=lambda step: step.number)


def text_of(job: Job) -> Text | None:
    """The job's text as far as its row has it; of a finished job, its output."""
    if job.status not in UNFINISHED:
        text, whole = output_of(job), True
    else:
        text, whole = job.answer if job.answer is not None else job.partial, job.answer is not None
    if job.text_base is None or (text is None and whole):
        return None
    return Text(job.text_base, text or "", whole)


def event_of(envelope: Envelope) -> Event:
    """An envelope that was told, as the event that its row will have."""
    if envelope.kind == "stage":
        stage = stage_body(envelope.data["name"], envelope.data).model_dump()
        return Event(envelope.number, "job.stage", {"stage": stage})
    kind = {"text": "delta", "restarted": "restarted", "usage": "usage"}[envelope.kind]
    return Event(envelope.number, f"job.{kind}", envelope.data)


def _stage_steps(name: str, line: dict[str, Any]) -> Iterator[Event]:
    if "began" in line:
        stage = stage_body(name, {"status": "running"}).model_dump()
        yield Event(line["began"], "job.stage", {"stage": stage})
    if "ended" in line:
        stage = stage_body(name, line).model_dump()
        yield Event(line["ended"], "job.stage", {"stage": stage})


def _usage(job: Job) -> dict[str, Any]:
    return {
        "input_tokens": job.input_tokens,
        "output_tokens": job.output_tokens,
        "cost_usd": f"{job.cost_usd:.6f}",
    }
