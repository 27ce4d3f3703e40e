"""A job's events, as derived from its row. A client resumes after an event's number
(`models/lifecycle/event_numbers.py`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.schemas.jobs import job_body, output_of, stage_body
from models.jobs import FINISHED, STAGES, UNFINISHED, Job
from models.lifecycle.event_numbers import QUEUED, NumberedText, after_stage
from models.stage_record import StageRecord
from tasks.events.envelope import Envelope


@dataclass(frozen=True)
class Event:
    """One event of a job: its number, its type, and its fields."""

    number: int
    type: str
    data: dict[str, Any]

    @property
    def final(self) -> bool:
        """Whether the job has ended with it."""
        return self.type.removeprefix("job.") in FINISHED


@dataclass(frozen=True)
class Text(NumberedText):
    """The text in a job's row; `whole`: it is complete."""

    whole: bool


def steps_of(job: Job) -> list[Event]:
    """Every event but those of the text, in order; of a retried stage, those of its last run."""
    steps = [Event(QUEUED, "job.queued", {})]
    for name in STAGES:
        steps += _stage_steps(name, job.record(name))
    if job.restarts and job.text_base is not None:
        steps.append(Event(job.text_base, "job.restarted", {}))
    answered = job.record("generate").ended
    if answered is not None and job.answer is not None:
        steps.append(Event(after_stage(answered), "job.usage", _usage(job)))
    if job.status not in UNFINISHED:
        end = {"job": job_body(job).model_dump()}
        steps.append(Event(job.sequence, f"job.{job.status}", end))
    return sorted(steps, key=lambda step: step.number)


def text_of(job: Job) -> Text | None:
    """The text saved in the job's row so far; for a finished job, its output."""
    if job.status not in UNFINISHED:
        text, whole = output_of(job), True
    else:
        text, whole = job.answer if job.answer is not None else job.partial, job.answer is not None
    if job.text_base is None or (text is None and whole):
        return None
    return Text(job.text_base, text or "", whole)


def event_of(envelope: Envelope) -> Event:
    """The event that a published envelope stands for, as its row will have it."""
    if envelope.kind == "stage":
        stage = stage_body(envelope.data["name"], StageRecord.of(envelope.data)).model_dump()
        return Event(envelope.number, "job.stage", {"stage": stage})
    kind = {"text": "delta", "restarted": "restarted", "usage": "usage"}[envelope.kind]
    return Event(envelope.number, f"job.{kind}", envelope.data)


def _stage_steps(name: str, record: StageRecord) -> Iterator[Event]:
    if record.began is not None:
        stage = stage_body(name, StageRecord(status="running")).model_dump()
        yield Event(record.began, "job.stage", {"stage": stage})
    if record.ended is not None:
        stage = stage_body(name, record).model_dump()
        yield Event(record.ended, "job.stage", {"stage": stage})


def _usage(job: Job) -> dict[str, Any]:
    return {
        "input_tokens": job.input_tokens,
        "output_tokens": job.output_tokens,
        "cost_usd": f"{job.cost_usd:.6f}",
    }
