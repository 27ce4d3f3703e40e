"""Headers and query parameters of event streams: where to resume."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from app.schemas.examples import ULID
from app.schemas.headers import RequestHeaders, malformed_header

LAST_EVENT_ID: Final = "Last-Event-ID"
NUMBER: Final = re.compile(r"[0-9]{1,18}")
LARGEST_NUMBER: Final = 10**18
PLACE: Final = r"[0-9A-HJKMNP-TV-Z]{26}\.[0-9]{1,18}"
PLACES: Final = re.compile(rf"({PLACE}(~{PLACE}){{0,63}})?")
POSITION: Final = re.compile(r"[0-9]{1,18}(-[0-9]{1,18}){0,63}(-end)?")


def _last_event(form: re.Pattern[str], example: str) -> Any:
    """The header that a browser sends on reconnecting, with the last event id that it received."""
    return Field(
        None,
        alias=LAST_EVENT_ID,
        json_schema_extra={"pattern": f"^({form.pattern})?$", "example": example},
        description="The `id` of the last event received. Takes precedence over `starting_after`. "
        "An empty value is ignored.",
    )


def _read(form: re.Pattern[str], what: str, sent: Any) -> str | None:
    if sent is None or sent == "":
        return None
    if not form.fullmatch(str(sent)):
        raise malformed_header(LAST_EVENT_ID, f"must be {what}")
    return str(sent)


def _number(sent: Any) -> int | None:
    number = _read(NUMBER, "an event number", sent)
    return int(number) if number is not None else None


class EventsHeaders(RequestHeaders):
    """Headers for following a job."""

    last_event_id: Annotated[
        int | None, BeforeValidator(_number, json_schema_input_type=str | None)
    ] = _last_event(NUMBER, "12")


class EventsQuery(BaseModel):
    """Where to start a job's stream."""

    model_config = ConfigDict(extra="forbid")

    token: str | None = Field(
        None,
        max_length=200,
        description="A stream token of this job, instead of any other authentication.",
    )

    starting_after: int | None = Field(
        None,
        ge=0,
        le=LARGEST_NUMBER,
        description="Only events after this `sequence_number`. Defaults to all events.",
    )


def _position_header(sent: Any) -> str | None:
    return _read(POSITION, "a broadcast's event id", sent)


def _position_query(sent: str) -> str:
    if not POSITION.fullmatch(sent):
        raise PydanticCustomError("not_a_place", "must be a broadcast's event id")
    return sent


class BroadcastEventsHeaders(RequestHeaders):
    """Headers for following a broadcast."""

    last_event_id: Annotated[str | None, BeforeValidator(_position_header)] = _last_event(
        POSITION, "12-40-7"
    )


class BroadcastEventsQuery(BaseModel):
    """Where to start a broadcast's stream."""

    model_config = ConfigDict(extra="forbid")

    starting_after: Annotated[str, AfterValidator(_position_query)] | None = Field(
        None,
        description="Only events after this `id`. Defaults to all events.",
        json_schema_extra={"pattern": f"^{POSITION.pattern}$", "example": "12-40-7"},
    )


def _places_header(sent: Any) -> str | None:
    return _read(PLACES, "a conversation's event id", sent)


def _places_query(sent: str) -> str:
    if not PLACES.fullmatch(sent):
        raise PydanticCustomError("not_a_place", "must be a conversation's event id")
    return sent


class ConversationEventsHeaders(RequestHeaders):
    """Headers for following a conversation."""

    last_event_id: Annotated[str | None, BeforeValidator(_places_header)] = _last_event(
        PLACES, f"{ULID}.12"
    )


class ConversationEventsQuery(BaseModel):
    """Where to start a conversation's stream."""

    model_config = ConfigDict(extra="forbid")

    starting_after: Annotated[str, AfterValidator(_places_query)] | None = Field(
        None,
        description="Only events after this `id`. Defaults to all events of all unfinished jobs. "
        "To follow certain jobs from their start, also if they have ended meanwhile, name them: "
        "their ids without `job_`, each with `.0`, separated by `~`.",
        json_schema_extra={"pattern": f"^{PLACES.pattern}$", "example": f"{ULID}.12"},
    )
