"""Headers that a call reads. A header that can't be meant is a 400 that names it."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.http.problems import FieldError, Problem, Refusal
from models.idempotency import KEY_MAX_CHARS

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
CANCEL_AFTER: Final = "Cancel-After"
PREFER: Final = "Prefer"
RETRY_COUNT: Final = "X-Stainless-Retry-Count"
DEADLINE_MAX_S: Final = 86_400
RETRIES_MAX: Final = 1_000
_KEY: Final = re.compile(rf"[\x21-\x7e]{{1,{KEY_MAX_CHARS}}}")
# How long was waited for the answer (RFC 7240, 3).
APPLIED: Final = "Preference-Applied"


def _key(sent: str | None) -> str | None:
    if sent is None or _KEY.fullmatch(sent):
        return sent
    raise unreadable(IDEMPOTENCY_KEY, f"is not 1 to {KEY_MAX_CHARS} visible ASCII characters")


def _seconds(sent: Any) -> int | None:
    if sent is None:
        return None
    seconds = int(sent) if re.fullmatch(r"[0-9]{1,9}", sent) else 0
    if 1 <= seconds <= DEADLINE_MAX_S:
        return seconds
    raise unreadable(CANCEL_AFTER, f"is not a whole number of seconds, 1 to {DEADLINE_MAX_S}")


def unreadable(name: str, message: str) -> Refusal:
    """The refusal of a header that can't be meant."""
    error = FieldError(field=name, code="invalid", message=message)
    return Refusal(Problem(400, "invalid_header", f"{name}: {message}.", (error,)))


class CreateHeaders(BaseModel):
    """What a POST that creates may carry."""

    model_config = ConfigDict(extra="ignore")

    idempotency_key: Annotated[str | None, AfterValidator(_key)] = Field(
        None,
        alias=IDEMPOTENCY_KEY,
        json_schema_extra={
            "pattern": f"^[!-~]{{1,{KEY_MAX_CHARS}}}$",
            "example": "8d6f3c1e-5c62-4d0e-9a57-0c2b1f4f7a10",
        },
        description="Names this call for a day: sent again with the same body, in whatever "
        "order, it gets the same answer and `Idempotent-Replayed: true`, and nothing is created; "
        "with another body, 422. Copies that are sent at once wait for the first, 5 s at most, "
        f"then 409. 1 to {KEY_MAX_CHARS} visible ASCII characters, such as a UUID.",
    )


def _retries(sent: Any) -> int:
    """What a package counts for itself; anything else is none."""
    return min(int(sent), RETRIES_MAX) if re.fullmatch(r"[0-9]{1,9}", sent or "") else 0


class ResponseHeaders(CreateHeaders):
    """What a POST of a response may carry."""

    retries: Annotated[int, BeforeValidator(_retries, json_schema_input_type=str | None)] = Field(
        0,
        alias=RETRY_COUNT,
        json_schema_extra={"example": "0"},
        description="What OpenAI's packages send: how often they have sent this call before. From "
        "1 on, the answer is that of the same user's earlier call with this body, if nobody has "
        "had it, also where both are being answered at once.",
    )


def _wait(sent: Any) -> int | None:
    """The seconds of `wait=N` among the preferences. One that can't be understood is ignored, as
    RFC 7240 wants it."""
    found = re.search(r"(?:^|,)\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*(?:[;,]|$)", sent or "", re.I)
    return int(found[1]) if found else None


Wait = Annotated[
    int | None,
    BeforeValidator(_wait, json_schema_input_type=str | None),
    Field(
        None,
        alias=PREFER,
        json_schema_extra={"example": "wait=10"},
        description="`wait=N` (RFC 7240): answer when the job has ended, or after N seconds, at "
        "most `WAIT_MAX_S`, as it is then. `Preference-Applied` says whether it was waited for. "
        "Where too many wait already, the answer comes at once.",
    ),
]


class ReadHeaders(BaseModel):
    """What a GET of a job may carry."""

    model_config = ConfigDict(extra="ignore")

    wait: Wait


class WaitHeaders(CreateHeaders):
    """What a POST that makes a job may carry."""

    wait: Wait


class SubmitHeaders(WaitHeaders):
    """What a POST of a job may carry that says how long it has."""

    cancel_after: Annotated[int | None, BeforeValidator(_seconds)] = Field(
        None,
        alias=CANCEL_AFTER,
        json_schema_extra={"minimum": 1, "maximum": DEADLINE_MAX_S, "example": 600},
        description="The same as the body's `deadline_s`; where both are sent, they must be equal.",
    )
