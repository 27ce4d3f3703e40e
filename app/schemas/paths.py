"""Path parameters. They are documented here and checked by `app.http.url_converters`."""

from typing import Any, Final

from pydantic import BaseModel, Field

from app.schemas.examples import ULID

ULID_PATTERN: Final = "[0-9A-HJKMNP-TV-Z]{26}"


def id_of(prefix: str, description: str) -> Any:
    """Declare one of our ids in a path."""
    shape: dict[str, Any] = {
        "pattern": f"^{prefix}_{ULID_PATTERN}$",
        "example": f"{prefix}_{ULID}",
    }
    return Field(description=description, json_schema_extra=shape)


class JobPath(BaseModel):
    """The path of a job."""

    job_id: str = id_of("job", "The job's id.")


class BroadcastPath(BaseModel):
    """The path of a broadcast."""

    broadcast_id: str = id_of("bcast", "The broadcast's id.")


class ConversationPath(BaseModel):
    """The path of a conversation."""

    conversation_id: str = id_of("conv", "The conversation's id.")
