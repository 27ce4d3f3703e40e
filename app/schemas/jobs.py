"""Jobs as they are sent and as they are answered."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.http.problems import invalid
from app.schemas.examples import JOB, page_of
from app.schemas.headers import CANCEL_AFTER, DEADLINE_MAX_S, SubmitHeaders
from app.schemas.lists import Identified, IdText, Page, PageQuery
from app.schemas.message import MessageText
from app.schemas.numbers import WHOLE
from app.schemas.times import timestamp, timestamp_or_none
from models.broadcasts import Usage
from models.jobs import STAGES, UNFINISHED, Job

METADATA_ENTRIES: Final = 16
METADATA_NAME_CHARS: Final = 64
METADATA_VALUE_CHARS: Final = 512
UNTIMED: Final = ("pending", "running")
# JSONB forgets the order of an object's names; a person reads them in this one.
LINE_ORDER: Final = ("intent", "confidence", "cached", "reason")
# Of a line, what is not for clients, or stands in fields of its own.
LINE_OWN: Final = frozenset({"name", "status", "ms", "began", "ended", "text"})

JobStatus = Literal["queued", "in_progress", "completed", "failed", "cancelled", "expired"]
StageStatus = Literal["pending", "running", "completed", "skipped", "degraded", "failed"]
MetadataName = Annotated[str, Field(max_length=METADATA_NAME_CHARS)]
MetadataValue = Annotated[str, Field(max_length=METADATA_VALUE_CHARS)]
Metadata = Annotated[
    dict[MetadataName, MetadataValue],
    Field(
        max_length=METADATA_ENTRIES,
        description=f"Yours to keep with it: at most {METADATA_ENTRIES} strings by name, names up "
        f"to {METADATA_NAME_CHARS} characters, values up to {METADATA_VALUE_CHARS}.",
    ),
]
MindName = Annotated[str, Field(max_length=64)]
Deadline = Annotated[
    Annotated[int, Field(ge=1, le=DEADLINE_MAX_S), WHOLE] | None,
    Field(
        description="Seconds until a job is given up: unstarted it ends `expired`, started "
        "`failed`. Without it, what `DEADLINE_S` says here."
    ),
]


class NewJob(BaseModel):
    """A message that wants an answer."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"message": "What is the capital of France?"}},
    )

    message: MessageText
    conversation_id: IdText | None = Field(
        None, description="The conversation it belongs to; without one, a new one begins."
    )
    mind: MindName | None = Field(
        None,
        description="Who shall answer; without one, the default mind.",
        json_schema_extra={"example": "sage"},
    )
    metadata: Metadata = {}
    deadline_s: Deadline = None


def deadline_of(header: SubmitHeaders, deadline_s: int | None) -> int | None:
    """The deadline that a body or a header asks for. Raises Refusal where they contradict."""
    if deadline_s is None or header.cancel_after in (None, deadline_s):
        return deadline_s or header.cancel_after
    raise invalid("deadline_s", "contradiction", f"is not what the header {CANCEL_AFTER} says")


class JobQuery(PageQuery):
    """Which jobs."""

    status: JobStatus | None = Field(None, description="Only jobs of this status.")
    conversation_id: IdText | None = Field(None, description="Only jobs of this conversation.")


class StageBody(BaseModel):
    """A stage's line of the receipt; what it decided stands beside these."""

    model_config = ConfigDict(extra="allow")

    name: Literal["intent", "compress", "generate", "persist"]
    status: StageStatus = Field(
        description="Nothing runs in a job that has ended: the stage at which it failed is "
        "`failed`; one that was not done, though it may have been running, is `pending`."
    )
    ms: int | None = Field(description="How long it took; null until it has ended.")


class RouteBody(BaseModel):
    """Which model answers, and why."""

    model_config = ConfigDict(extra="allow")

    model: str | None = Field(None, description="The model that answers, or answered.")
    reason: str | None = Field(None, description="What decided it, such as `intent:coding`.")
    fallbacks: list[str] = Field([], description="The other models of its route.")


class JobErrorBody(BaseModel):
    """Why a job failed."""

    code: str = Field(description="For programs; stable. See the table of codes.")
    message: str = Field(description="For people.")
    stage: str | None = Field(None, description="Where it failed; null where it was at none.")
    attempts: int | None = Field(None, description="How often that stage was tried.")


class UsageBody(BaseModel):
    """What a job cost, with its calls that failed or were not wanted any more; or several jobs,
    together."""

    input_tokens: int
    output_tokens: int
    tokens_saved: int = Field(description="Input tokens that compression has spared.")
    cost_usd: str = Field(
        description="US dollars with 6 decimals.", json_schema_extra={"example": "0.000123"}
    )
    paid_duplicates: int = Field(
        description="Calls of a model that were paid for, though another run's answer was kept."
    )


# flask-openapi3 reads `openapi_extra`.
ASK_AGAIN: Final[Any] = {
    "headers": {
        "Retry-After": {
            "description": "Seconds until it is worth asking again; while unfinished.",
            "schema": {"type": "integer"},
        }
    }
}


class JobBody(Identified):
    """A job and its receipt."""

    model_config = ConfigDict(
        json_schema_extra={"example": JOB},
        openapi_extra=ASK_AGAIN,  # type: ignore[typeddict-unknown-key]
    )

    id: str
    object: Literal["job"] = "job"
    status: JobStatus = Field(
        description="`queued` until a stage begins, `in_progress` until it ends: `completed`; "
        "`failed`, with an `error`; `cancelled`; `expired`, where none had begun by `expires_at`."
    )
    mind: str = Field(description="Who answers.")
    conversation_id: str | None = Field(description="Null once the conversation was deleted.")
    broadcast_id: str | None = Field(description="The broadcast that it is part of.")
    created_at: str
    started_at: str | None = Field(description="When its first stage began.")
    completed_at: str | None = Field(description="When it ended, however it did.")
    expires_at: str = Field(description="Its deadline.")
    stages: list[StageBody] = Field(description="All four, in their order.")
    route: RouteBody | None = Field(description="Null until it is decided.")
    output: str | None = Field(
        description="The answer, once the job is completed; of a cancelled one, what there is."
    )
    finish_reason: str | None = Field(
        description="Why the model stopped: `stop`, `length` where the answer was cut (it may be "
        "empty then), or `content_filter` where the provider declined."
    )
    error: JobErrorBody | None = Field(description="Of a job that failed or has expired.")
    usage: UsageBody
    metadata: dict[str, Any] = Field(description="As it was sent.")


class JobPage(Page[JobBody]):
    """Jobs, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": page_of(JOB)})


def job_body(job: Job) -> JobBody:
    """A job as every call shows it."""
    output = output_of(job)
    return JobBody(
        id=job.id,
        status=job.status,
        mind=job.mind,
        conversation_id=job.conversation_id,
        broadcast_id=job.broadcast_id,
        created_at=timestamp(job.created_at),
        started_at=timestamp_or_none(job.started_at),
        completed_at=timestamp_or_none(job.completed_at),
        expires_at=timestamp(job.expires_at),
        stages=[stage_body(name, _line(job, name)) for name in STAGES],
        route=RouteBody.model_validate(job.route) if job.route else None,
        output=output,
        finish_reason=job.finish_reason if output is not None else None,
        error=JobErrorBody.model_validate(job.error) if job.error else None,
        usage=usage_body(job),
        metadata=job.meta,
    )


def output_of(job: Job) -> str | None:
    """An answer that is only checkpointed may yet be dropped, so it is shown at the end alone; of a
    cancelled job, as much of it as there is."""
    if job.status == "cancelled":
        return job.answer if job.answer is not None else job.partial
    return job.answer if job.status == "completed" else None


def _line(job: Job, name: str) -> dict[str, Any]:
    """A stage's line. Nothing runs in a job that has ended: the stage at which it failed is shown
    as failed, any other that was not done as pending."""
    line: dict[str, Any] = job.stages.get(name, {})
    if job.status in UNFINISHED or line.get("status", "pending") not in UNTIMED:
        return line
    fatal = job.status == "failed" and (job.error or {}).get("stage") == name
    return {**line, "status": "failed" if fatal else "pending"}


def stage_body(name: str, line: dict[str, Any]) -> StageBody:
    """A stage's line as clients read it."""
    status = line.get("status", "pending")
    ms = None if status in UNTIMED else line.get("ms")
    decided = {key: value for key, value in line.items() if key not in LINE_OWN}
    ordered = {key: decided[key] for key in sorted(decided, key=_line_order)}
    return StageBody(name=name, status=status, ms=ms, **ordered)


def _line_order(name: str) -> int:
    return LINE_ORDER.index(name) if name in LINE_ORDER else len(LINE_ORDER)


def usage_body(used: Job | Usage) -> UsageBody:
    """What was used, by one job or by several."""
    return UsageBody(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        tokens_saved=used.tokens_saved,
        cost_usd=f"{used.cost_usd:.6f}",
        paid_duplicates=used.paid_duplicates,
    )
