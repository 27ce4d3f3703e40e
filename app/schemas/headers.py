"""Request headers. A malformed one is refused with a 400 that names it."""

import re
from functools import cache
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.http.errors import InvalidHeader
from app.http.problems import FieldError, Problem, Refusal
from models.idempotency import KEY_MAX_CHARS

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
CANCEL_AFTER: Final = "Cancel-After"
PREFER: Final = "Prefer"
RETRY_COUNT: Final = "X-Stainless-Retry-Count"
DEADLINE_MAX_S: Final = 86_400
RETRIES_MAX: Final = 1_000
_KEY: Final = re.compile(rf"[\x21-\x7e]{{1,{KEY_MAX_CHARS}}}")
# How long the server waited before answering (RFC 7240, 3).
APPLIED: Final = "Preference-Applied"


def _key(sent: str | None) -> str | None:
    if sent is None or _KEY.fullmatch(sent):
        return sent
    message = f"must be 1 to {KEY_MAX_CHARS} visible ASCII characters"
    raise malformed_header(IDEMPOTENCY_KEY, message)


def _seconds(sent: Any) -> int | None:
    if sent is None:
        return None
    seconds = int(sent) if re.fullmatch(r"[0-9]{1,9}", sent) else 0
    if 1 <= seconds <= DEADLINE_MAX_S:
        return seconds
    message = f"must be a whole number of seconds from 1 to {DEADLINE_MAX_S}"
    raise malformed_header(CANCEL_AFTER, message)


def malformed_header(name: str, message: str) -> Refusal:
    """Return the refusal of a malformed header."""
    error = FieldError(field=name, code="invalid", message=message)
    return Refusal(Problem(InvalidHeader, f"{name}: {message}.", (error,)))


class RequestHeaders(BaseModel):
    """The headers that a call reads."""

    model_config = ConfigDict(extra="ignore")

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the schema, which flask-openapi3 asks for at every request, made once."""
        return super().model_json_schema(*args, **kwargs) if args or kwargs else _schema_of(cls)


@cache
def _schema_of(model: type[RequestHeaders]) -> dict[str, Any]:
    return super(RequestHeaders, model).model_json_schema()


class CreateHeaders(RequestHeaders):
    """Headers of a POST that creates something."""

    idempotency_key: Annotated[str | None, AfterValidator(_key)] = Field(
        None,
        alias=IDEMPOTENCY_KEY,
        json_schema_extra={
            "pattern": f"^[!-~]{{1,{KEY_MAX_CHARS}}}$",
            "example": "8d6f3c1e-5c62-4d0e-9a57-0c2b1f4f7a10",
        },
        description="Makes the request safe to retry. For 24 hours, the same key with the same "
        "body (its fields in any order) returns the first response with `Idempotent-Replayed: "
        "true` and creates nothing; with another body, it is refused with 422. Concurrent copies "
        "wait up to 5 seconds for the first, then get a 409. "
        f"1 to {KEY_MAX_CHARS} visible ASCII characters, such as a UUID.",
    )


def _retries(sent: Any) -> int:
    """The count that OpenAI's packages send; anything malformed counts as 0."""
    return min(int(sent), RETRIES_MAX) if re.fullmatch(r"[0-9]{1,9}", sent or "") else 0


class ResponseHeaders(CreateHeaders):
    """Headers of a POST that creates a response."""

    retries: Annotated[int, BeforeValidator(_retries, json_schema_input_type=str | None)] = Field(
        0,
        alias=RETRY_COUNT,
        json_schema_extra={"example": "0"},
        description="Sent by OpenAI's client libraries: how many times they have retried this "
        "request. If it is 1 or more, the request gets the answer of your earlier request with the "
        "same body, unless that answer was delivered, even while the earlier one is in progress.",
    )


def _wait(sent: Any) -> int | None:
    """The seconds of `wait=N` among the preferences. A malformed one is ignored, as RFC 7240
    requires."""
    found = re.search(r"(?:^|,)\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*(?:[;,]|$)", sent or "", re.I)
    return int(found[1]) if found else None


Wait = Annotated[
    int | None,
    BeforeValidator(_wait, json_schema_input_type=str | None),
    Field(
        None,
        alias=PREFER,
        json_schema_extra={"example": "wait=10"},
        description="`wait=N` (RFC 7240): wait up to N seconds, at most the server's `WAIT_MAX_S`, "
        "for the end before responding. `Preference-Applied` confirms the wait. If too many "
        "requests are waiting already, the response is immediate.",
    ),
]


class ReadHeaders(RequestHeaders):
    """Headers of a GET that may wait."""

    wait: Wait


class WaitHeaders(CreateHeaders):
    """Headers of a POST that creates a job and may wait for it."""

    wait: Wait


class SubmitHeaders(WaitHeaders):
    """Headers of a POST that creates a job with a deadline."""

    cancel_after: Annotated[int | None, BeforeValidator(_seconds)] = Field(
        None,
        alias=CANCEL_AFTER,
        json_schema_extra={"minimum": 1, "maximum": DEADLINE_MAX_S, "example": 600},
        description="The same as the body's `deadline_s`. If both are sent, they must be equal.",
    )
