"""Broadcasts as they are sent and as they are answered."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from app.schemas.examples import BROADCAST, page_of
from app.schemas.jobs import (
    ASK_AGAIN,
    Deadline,
    JobBody,
    Metadata,
    MindName,
    UsageBody,
    job_body,
    usage_body,
)
from app.schemas.lists import Identified, IdText, Page
from app.schemas.message import MessageText
from app.schemas.times import timestamp
from models.broadcasts import BroadcastJobs

MINDS_MAX: Final = 8

BroadcastStatus = Literal["queued", "in_progress", "completed", "partial", "failed", "cancelled"]


def _distinct(minds: list[str]) -> list[str]:
    if len(set(minds)) < len(minds):
        raise PydanticCustomError("repeated", "names a mind twice")
    return minds


Minds = Annotated[
    list[MindName],
    Field(min_length=1, max_length=MINDS_MAX, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]


class NewBroadcast(BaseModel):
    """A message that wants an answer of several minds."""

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
        description=f"Who shall answer, each once, {MINDS_MAX} at most; without it, all minds.",
    )
    conversation_id: IdText | None = Field(
        None, description="The conversation it belongs to; without one, a new one begins."
    )
    metadata: Metadata = {}
    deadline_s: Deadline = None


class NewMerge(BaseModel):
    """How the answers are to be merged; nothing needs to be said."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"metadata": {"ticket": "7"}}},
        openapi_extra={"required": False},  # type: ignore[typeddict-unknown-key]
    )

    metadata: Metadata = {}
    deadline_s: Deadline = None


class Choice(BaseModel):
    """Whose answer is kept."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"job_id": "job_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"}},
    )

    job_id: IdText = Field(description="A completed job of the broadcast; a merge is one too.")


class BroadcastBody(Identified):
    """A broadcast, its jobs and what they cost together."""

    model_config = ConfigDict(
        json_schema_extra={"example": BROADCAST},
        openapi_extra=ASK_AGAIN,  # type: ignore[typeddict-unknown-key]
    )

    id: str
    object: Literal["broadcast"] = "broadcast"
    status: BroadcastStatus = Field(
        description="`queued` until a mind begins, `in_progress` until all have ended; then "
        "`completed` if all have answered, `partial` if some have, `cancelled` if all were "
        "cancelled, else `failed`. A merge does not change it."
    )
    message_id: str = Field(description="The user's message, which all of its jobs share.")
    conversation_id: str
    created_at: str
    jobs: list[JobBody] = Field(description="One for each mind, in the order of `minds`.")
    merge: JobBody | None = Field(description="The newest merge of their answers.")
    kept_job_id: str | None = Field(
        description="The job whose answer every mind goes on from: a merge that was completed or "
        "an answer that was chosen, whichever was last. Null: each mind goes on from its own."
    )
    usage: UsageBody = Field(description="All of its jobs together, every merge among them.")
    metadata: dict[str, Any] = Field(description="As it was sent.")


class BroadcastPage(Page[BroadcastBody]):
    """Broadcasts, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": page_of(BROADCAST)})


def broadcast_body(whole: BroadcastJobs) -> BroadcastBody:
    """A broadcast as every call shows it."""
    broadcast = whole.broadcast
    return BroadcastBody(
        id=broadcast.id,
        status=whole.status,
        message_id=broadcast.message_id,
        conversation_id=broadcast.conversation_id,
        created_at=timestamp(broadcast.created_at),
        jobs=[job_body(job) for job in whole.siblings],
        merge=job_body(whole.merge) if whole.merge else None,
        kept_job_id=broadcast.kept_job_id,
        usage=usage_body(whole.usage),
        metadata=broadcast.meta,
    )
