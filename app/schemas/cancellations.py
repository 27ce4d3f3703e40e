"""Request and response bodies of the call that cancels many jobs."""

from datetime import UTC, datetime
from functools import partial
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.schemas.jobs import Priority
from app.schemas.lists import IdText
from app.schemas.times import TIME, Time
from tasks.jobs.cancellation import CANCELLED_AT_ONCE


class CancelledJobs(BaseModel):
    """Which unfinished jobs to cancel: those that match every field, of which one is required."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"priority": "bulk"}, "minProperties": 1},
    )

    status: Literal["queued", "in_progress"] = Field(
        "queued", description="Only jobs with this status."
    )
    priority: Priority = Field("interactive", description="Only jobs with this priority.")
    conversation_id: IdText = Field("", description="Only jobs in this conversation.")
    broadcast_id: IdText = Field("", description="Only jobs of this broadcast.")
    before: Time = Field(
        default_factory=partial(datetime.now, UTC),
        description="Only jobs created before this time.",
        json_schema_extra={
            "format": "date-time",
            "pattern": TIME,
            "example": "2026-01-31T09:30:00Z",
        },
    )
    ids: list[IdText] = Field([], max_length=CANCELLED_AT_ONCE, description="Only these jobs.")

    @model_validator(mode="after")
    def _says_which(self) -> "CancelledJobs":
        if not self.model_fields_set:
            raise PydanticCustomError("nothing_to_change", "must set at least one field")
        return self


class CancellationBody(BaseModel):
    """How many jobs a call has cancelled."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"object": "cancellation", "cancelled": 1000, "has_more": True}
        }
    )

    object: Literal["cancellation"] = "cancellation"
    cancelled: int = Field(description=f"{CANCELLED_AT_ONCE} at most.")
    has_more: bool = Field(description="Whether unfinished jobs that match are left: call again.")
