"""What stands in a path. Routing has seen to its form (`app.routing`); the document tells of it."""

from typing import Any

from pydantic import BaseModel, Field

from app.responses.ids import ULID

EXAMPLE = "01K8Z5M5V4Q2W9X7Y3T1N6P0RC"


def _id_of(prefix: str) -> Any:
    shape: dict[str, Any] = {"pattern": f"^{prefix}_{ULID}$", "example": f"{prefix}_{EXAMPLE}"}
    return Field(json_schema_extra=shape)


class JobPath(BaseModel):
    """Which job."""

    job_id: str = _id_of("job")


class BroadcastPath(BaseModel):
    """Which broadcast."""

    broadcast_id: str = _id_of("bcast")


class ConversationPath(BaseModel):
    """Which conversation."""

    conversation_id: str = _id_of("conv")


class ResponsePath(BaseModel):
    """Which response."""

    response_id: str = _id_of("resp")
