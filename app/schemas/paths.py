"""What stands in a path. Its form is checked by `app.http.url_converters`; this documents it."""

from typing import Any, Final

from pydantic import BaseModel, Field

from app.schemas.examples import ULID

ULID_PATTERN: Final = "[0-9A-HJKMNP-TV-Z]{26}"


def id_of(prefix: str, description: str) -> Any:
    """An id of ours in a path."""
    shape: dict[str, Any] = {
        "pattern": f"^{prefix}_{ULID_PATTERN}$",
        "example": f"{prefix}_{ULID}",
    }
    return Field(description=description, json_schema_extra=shape)


class JobPath(BaseModel):
    """Which job."""

    job_id: str = id_of("job", "One of your jobs.")


class BroadcastPath(BaseModel):
    """Which broadcast."""

    broadcast_id: str = id_of("bcast", "One of your broadcasts.")


class ConversationPath(BaseModel):
    """Which conversation."""

    conversation_id: str = id_of("conv", "One of your conversations.")
