"""What stands in a path. Routing has seen to its form (`app.routing`); the document tells of it."""

from typing import Any

from pydantic import BaseModel, Field

from app.responses import ids
from app.schemas.examples import ULID


def _id_of(prefix: str, description: str) -> Any:
    shape: dict[str, Any] = {
        "pattern": f"^{prefix}_{ids.ULID}$",
        "example": f"{prefix}_{ULID}",
    }
    return Field(description=description, json_schema_extra=shape)


class JobPath(BaseModel):
    """Which job."""

    job_id: str = _id_of("job", "One of your jobs.")


class BroadcastPath(BaseModel):
    """Which broadcast."""

    broadcast_id: str = _id_of("bcast", "One of your broadcasts.")


class ConversationPath(BaseModel):
    """Which conversation."""

    conversation_id: str = _id_of("conv", "One of your conversations.")


class ResponsePath(BaseModel):
    """Which response."""

    response_id: str = _id_of("resp", "One of your responses.")
