"""Reading events: where to go on, and what comes."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from app.schemas.headers import unreadable

LAST_EVENT_ID: Final = "Last-Event-ID"
NUMBER: Final = re.compile(r"[0-9]{1,18}")
LARGEST_NUMBER: Final = 10**18
PLACE: Final = re.compile(r"[0-9]{1,18}(-[0-9]{1,18}){0,7}(-end)?")


def _last_event(form: re.Pattern[str], example: str) -> Any:
    """The header by which a browser says how far it has come, when it connects again."""
    return Field(
        None,
        alias=LAST_EVENT_ID,
        json_schema_extra={"pattern": f"^({form.pattern})?$", "example": example},
        description="The `id` of the last event that arrived; wins over `starting_after`. An empty "
        "one is none.",
    )


def _read(form: re.Pattern[str], what: str, sent: Any) -> str | None:
    if sent is None or sent == "":
        return None
    if not form.fullmatch(str(sent)):
        raise unreadable(LAST_EVENT_ID, f"is not the {what}")
    return str(sent)


def _number(sent: Any) -> int | None:
    number = _read(NUMBER, "number of an event", sent)
    return int(number) if number is not None else None


class EventsHeaders(BaseModel):
    """What a browser sends when it connects again."""

    model_config = ConfigDict(extra="ignore")

    last_event_id: Annotated[
        int | None, BeforeValidator(_number, json_schema_input_type=str | None)
    ] = _last_event(NUMBER, "12")


class EventsQuery(BaseModel):
    """Where to go on."""

    model_config = ConfigDict(extra="forbid")

    starting_after: int | None = Field(
        None,
        ge=0,
        le=LARGEST_NUMBER,
        description="The `sequence_number` after which events are wanted; without it, all are.",
    )


def _place_header(sent: Any) -> str | None:
    return _read(PLACE, "id of an event of a broadcast", sent)


def _place_query(sent: str) -> str:
    if not PLACE.fullmatch(sent):
        raise PydanticCustomError("not_a_place", "is not the id of an event of a broadcast")
    return sent


class BroadcastEventsHeaders(BaseModel):
    """What a browser sends when it connects again to a broadcast's stream."""

    model_config = ConfigDict(extra="ignore")

    last_event_id: Annotated[str | None, BeforeValidator(_place_header)] = _last_event(
        PLACE, "12-40-7"
    )


class BroadcastEventsQuery(BaseModel):
    """Where to go on in a broadcast's stream."""

    model_config = ConfigDict(extra="forbid")

    starting_after: Annotated[str, AfterValidator(_place_query)] | None = Field(
        None,
        description="The `id` after which events are wanted; without it, all are.",
        json_schema_extra={"pattern": f"^{PLACE.pattern}$", "example": "12-40-7"},
    )
