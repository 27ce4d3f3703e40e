"""Request and response bodies of jobs."""

from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.http.problems import invalid
from app.schemas.examples import JOB, MODEL, QUESTION, page_of
from app.schemas.headers import CANCEL_AFTER, DEADLINE_MAX_S, SubmitHeaders
from app.schemas.lists import Identified, IdText, Page, PageQuery
from app.schemas.message import MessageText
from app.schemas.numbers import WHOLE
from app.schemas.times import timestamp, timestamp_or_none
from app.schemas.webhook_url import JobWebhookUrl
from models.broadcasts import Usage
from models.jobs import STAGES, UNFINISHED, Job
from models.stage_record import StageRecord, StageStatus

METADATA_ENTRIES: Final = 16
METADATA_NAME_CHARS: Final = 64
METADATA_VALUE_CHARS: Final = 512
UNTIMED: Final = ("pending", "running")
# The fields of a stage's record that clients see, besides status and time, in their order. A field
# that is not listed is internal.
SHOWN: Final = (
    "intent", "confidence", "cached", "reason", "code",
    "model", "tried", "first_token_ms", "merged", "cut",
    "compressor", "tokens_before", "tokens_after",
)  # fmt: skip

JobStatus = Literal["queued", "in_progress", "completed", "failed", "cancelled", "expired"]
MetadataName = Annotated[str, Field(max_length=METADATA_NAME_CHARS)]
MetadataValue = Annotated[str, Field(max_length=METADATA_VALUE_CHARS)]
Metadata = Annotated[
    dict[MetadataName, MetadataValue],
    Field(
        max_length=METADATA_ENTRIES,
        description=f"Your own key-value pairs: up to {METADATA_ENTRIES} strings, with keys of up "
        f"to {METADATA_NAME_CHARS} characters and values of up to {METADATA_VALUE_CHARS}.",
    ),
]
Priority = Annotated[
    Literal["interactive", "bulk"],
    Field(
        description="`bulk` jobs start when no interactive job waits for a worker: use it for work "
        "that nobody waits for.",
    ),
]
MindName = Annotated[str, Field(max_length=64)]
ModelName = Annotated[
    Annotated[str, Field(max_length=128)] | None,
    Field(
        description="A model to use instead of the mind's route: one of `models` in "
        "`GET /v1/minds`. It has no fallbacks.",
        json_schema_extra={"example": MODEL},
    ),
]
Deadline = Annotated[
    Annotated[int, Field(ge=1, le=DEADLINE_MAX_S), WHOLE] | None,
    Field(
        description="Seconds until the job is abandoned: it ends as `expired` if it had not "
        "started, and as `failed` if it had. Defaults to the server's `DEADLINE_S`."
    ),
]


class NewJob(BaseModel):
    """A message to be answered."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"message": "What is the capital of France?"}},
    )

    message: MessageText
    conversation_id: IdText | None = Field(
        None, description="The conversation to add the message to. Omit it to start a new one."
    )
    mind: MindName | None = Field(
        None,
        description="The mind that answers. Defaults to the server's default mind.",
        json_schema_extra={"example": "sage"},
    )
    model: ModelName = None
    priority: Priority = "interactive"
    metadata: Metadata = {}
    deadline_s: Deadline = None
    webhook_url: JobWebhookUrl = None


def deadline_of(header: SubmitHeaders, deadline_s: int | None) -> int | None:
    """Return the deadline that a body or a header asks for.

    Raises:
        Refusal: if they contradict each other.
    """
    if deadline_s is None or header.cancel_after in (None, deadline_s):
        return deadline_s or header.cancel_after
    raise invalid("deadline_s", "contradiction", f"must equal the header {CANCEL_AFTER}")


class JobQuery(PageQuery):
    """Filters for listing jobs."""

    status: JobStatus | None = Field(None, description="Only jobs with this status.")
    conversation_id: IdText | None = Field(None, description="Only jobs in this conversation.")


class StageBody(BaseModel):
    """A stage's entry in the receipt. Additional fields show what the stage decided, such as
    `intent`, `compressor`, `model` or `tried` (the models that failed)."""

    model_config = ConfigDict(extra="allow")

    name: Literal["intent", "compress", "generate", "persist"]
    status: StageStatus = Field(
        description="In a job that has ended, no stage is `running`: the stage at which the job "
        "failed is `failed`, and any other stage that did not finish is `pending`."
    )
    ms: int | None = Field(description="Duration in milliseconds; null until the stage has ended.")


class RouteBody(BaseModel):
    """The model that answers, and why it was selected."""

    model_config = ConfigDict(extra="allow")

    model: str | None = Field(None, description="The model that answers or has answered.")
    reason: str | None = Field(None, description="Why it was selected, such as `intent:coding`.")
    fallbacks: list[str] = Field([], description="The other models of the route.")


class JobErrorBody(BaseModel):
    """Why a job failed."""

    code: str = Field(description="A stable code for programs. See the error codes.")
    message: str = Field(description="An explanation for people.")
    stage: str | None = Field(None, description="The stage at which the job failed, if any.")
    attempts: int | None = Field(None, description="How many times that stage was attempted.")


class UsageBody(BaseModel):
    """The total usage of one or more jobs, including failed and abandoned calls to models."""

    input_tokens: int
    output_tokens: int
    tokens_saved: int = Field(description="Input tokens saved by compression.")
    cost_usd: str = Field(
        description="Cost in US dollars, with 6 decimals.",
        json_schema_extra={"example": "0.000123"},
    )
    paid_duplicates: int = Field(
        description="Calls to a model that were paid for although another run's answer was kept."
    )


# flask-openapi3 reads `openapi_extra`.
POLL_AGAIN: Final[Any] = {
    "headers": {
        "Retry-After": {
            "description": "Seconds to wait before polling again. Sent until the end.",
            "schema": {"type": "integer"},
        }
    }
}


class JobBody(Identified):
    """A job and its receipt."""

    model_config = ConfigDict(
        json_schema_extra={"example": JOB},
        openapi_extra=POLL_AGAIN,  # type: ignore[typeddict-unknown-key]
    )

    id: str
    object: Literal["job"] = "job"
    status: JobStatus = Field(
        description="`queued` until a stage starts, then `in_progress` until the job ends: as "
        "`completed`; as `failed`, with an `error`; as `cancelled`; or as `expired`, if no stage "
        "had started by `expires_at`."
    )
    mind: str = Field(description="The mind that answers.")
    conversation_id: str | None = Field(
        description="The conversation; null once it has been deleted."
    )
    message_id: str | None = Field(
        description="The user's message; null once the conversation has been deleted."
    )
    broadcast_id: str | None = Field(description="The broadcast that the job is part of, if any.")
    priority: Priority
    created_at: str
    started_at: str | None = Field(description="When the first stage started.")
    completed_at: str | None = Field(description="When the job ended, whatever its final status.")
    expires_at: str = Field(description="The job's deadline.")
    stages: list[StageBody] = Field(description="All four stages, in order of execution.")
    route: RouteBody | None = Field(description="Null until it has been decided.")
    output: str | None = Field(
        description="The answer of a completed job, or the partial answer of a cancelled one."
    )
    finish_reason: str | None = Field(
        description="Why the model stopped: `stop`, `length` if the answer was cut off (it may "
        "then be empty), or `content_filter` if the provider declined to answer."
    )
    error: JobErrorBody | None = Field(description="Why the job failed or expired.")
    usage: UsageBody
    metadata: dict[str, Any] = Field(description="The metadata that was submitted.")


class JobPage(Page[JobBody]):
    """A page of jobs, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": page_of(JOB)})


class PromptBody(BaseModel):
    """A job's message, before and after compression."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"object": "prompt", "original": QUESTION, "compressed": QUESTION}
        }
    )

    object: Literal["prompt"] = "prompt"
    original: str = Field(description="The message as it was sent.")
    compressed: str = Field(description="The message as it was given to the model.")


def prompt_body(job: Job, message: str) -> PromptBody:
    """Return the response body of a job's prompt."""
    return PromptBody(original=message, compressed=job.prompt or message)


def job_body(job: Job) -> JobBody:
    """Return a job's response body."""
    output = output_of(job)
    return JobBody(
        id=job.id,
        status=job.status,
        mind=job.mind,
        conversation_id=job.conversation_id,
        message_id=job.message_id,
        broadcast_id=job.broadcast_id,
        priority=job.priority,
        created_at=timestamp(job.created_at),
        started_at=timestamp_or_none(job.started_at),
        completed_at=timestamp_or_none(job.completed_at),
        expires_at=timestamp(job.expires_at),
        stages=[stage_body(name, _record(job, name)) for name in STAGES],
        route=RouteBody.model_validate(job.route) if job.route else None,
        output=output,
        finish_reason=job.finish_reason if output is not None else None,
        error=JobErrorBody.model_validate(job.error) if job.error else None,
        usage=usage_body(job),
        metadata=job.meta,
    )


def output_of(job: Job) -> str | None:
    """Return the answer of a completed job, or the partial answer of a cancelled one.

    An answer that is only checkpointed may still be dropped, so it is not shown before the end.
    """
    if job.status == "cancelled":
        return job.answer if job.answer is not None else job.partial
    return job.answer if job.status == "completed" else None


def _record(job: Job, name: str) -> StageRecord:
    """A stage's record. Nothing runs in a job that has ended: the stage at which it failed is shown
    as failed, any other unfinished stage as pending."""
    record = job.record(name)
    if job.status in UNFINISHED or record.status not in UNTIMED:
        return record
    fatal = job.status == "failed" and (job.error or {}).get("stage") == name
    return replace(record, status="failed" if fatal else "pending")


def stage_body(name: str, record: StageRecord) -> StageBody:
    """Return a stage's part of a response body."""
    ms = None if record.status in UNTIMED else record.ms
    shown = {key: value for key in SHOWN if (value := getattr(record, key)) is not None}
    return StageBody(name=name, status=record.status, ms=ms, **shown)


def usage_body(used: Job | Usage) -> UsageBody:
    """Return the usage of one job or of several."""
    return UsageBody(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        tokens_saved=used.tokens_saved,
        cost_usd=f"{used.cost_usd:.6f}",
        paid_duplicates=used.paid_duplicates,
    )
