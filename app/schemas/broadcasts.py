"""Request and response bodies of broadcasts."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from app.schemas.examples import BROADCAST, page_of
from app.schemas.jobs import (
    POLL_AGAIN,
    Deadline,
    JobBody,
    Metadata,
    MindName,
    ModelName,
    Priority,
    UsageBody,
    job_body,
    usage_body,
)
from app.schemas.lists import Identified, IdText, Page, PageQuery
from app.schemas.message import MessageText
from app.schemas.times import timestamp
from app.schemas.webhook_url import JobWebhookUrl
from models.broadcasts import BroadcastJobs

MINDS_MAX: Final = 8

BroadcastStatus = Literal["queued", "in_progress", "completed", "partial", "failed", "cancelled"]


def _distinct(minds: list[str]) -> list[str]:
    if len(set(minds)) < len(minds):
        raise PydanticCustomError("repeated", "must not repeat a mind")
    return minds


Minds = Annotated[
    list[MindName],
    Field(min_length=1, max_length=MINDS_MAX, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]


class NewBroadcast(BaseModel):
    """A message to be answered by several minds."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "example": {"message": "What is the capital of France?", "minds": ["sage", "muse"]}
        },
    )

    message: MessageText
    minds: Minds | None = Field(
        None,
        description=f"The minds that answer: up to {MINDS_MAX}, without repeats. Defaults to all.",
    )
    conversation_id: IdText | None = Field(
        None, description="The conversation to add the message to. Omit it to start a new one."
    )
    model: ModelName = None
    priority: Priority = "interactive"
    metadata: Metadata = {}
    deadline_s: Deadline = None
    webhook_url: JobWebhookUrl = None


class NewMerge(BaseModel):
    """Options for merging a broadcast's answers; all are optional."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"metadata": {"ticket": "7"}}},
        openapi_extra={"required": False},  # type: ignore[typeddict-unknown-key]
    )

    metadata: Metadata = {}
    deadline_s: Deadline = None


class Choice(BaseModel):
    """The answer to keep."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"job_id": "job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"}},
    )

    job_id: IdText = Field(description="A completed job of the broadcast; it may be a merge.")


class BroadcastQuery(PageQuery):
    """Filters for listing broadcasts."""

    conversation_id: IdText | None = Field(
        None, description="Only broadcasts in this conversation."
    )


class BroadcastBody(Identified):
    """A broadcast, its jobs and their total usage."""

    model_config = ConfigDict(
        json_schema_extra={"example": BROADCAST},
        openapi_extra=POLL_AGAIN,  # type: ignore[typeddict-unknown-key]
    )

    id: str
    object: Literal["broadcast"] = "broadcast"
    status: BroadcastStatus = Field(
        description="`queued` until a mind starts, `in_progress` until all have ended; then "
        "`completed` if all answered, `partial` if some did, `cancelled` if all were cancelled, "
        "and `failed` otherwise. A merge doesn't change it."
    )
    message_id: str = Field(description="The user's message, shared by all of the jobs.")
    conversation_id: str
    created_at: str
    jobs: list[JobBody] = Field(description="Each mind's latest job, in the order of `minds`.")
    merge: JobBody | None = Field(description="The latest merge of the answers, if any.")
    kept_job_id: str | None = Field(
        description="The job whose answer every mind continues from: the latest completed merge or "
        "chosen answer. If null, each mind continues from its own answer."
    )
    usage: UsageBody = Field(
        description="Total usage of all jobs, including every merge and every job that was retried."
    )
    metadata: dict[str, Any] = Field(description="The metadata that was submitted.")


class BroadcastPage(Page[BroadcastBody]):
    """A page of broadcasts, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": page_of(BROADCAST)})


def broadcast_body(gathered: BroadcastJobs) -> BroadcastBody:
    """Return a broadcast's response body."""
    broadcast = gathered.broadcast
    return BroadcastBody(
        id=broadcast.id,
        status=gathered.status,
        message_id=broadcast.message_id,
        conversation_id=broadcast.conversation_id,
        created_at=timestamp(broadcast.created_at),
        jobs=[job_body(job) for job in gathered.siblings],
        merge=job_body(gathered.merge) if gathered.merge else None,
        kept_job_id=broadcast.kept_job_id,
        usage=usage_body(gathered.usage),
        metadata=broadcast.meta,
    )
