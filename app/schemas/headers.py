"""Headers that a call reads. A header that can't be meant is a 400 that names it."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.problem import FieldError, Problem, Refusal
from models.idempotency import KEY_MAX_CHARS

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
CANCEL_AFTER: Final = "Cancel-After"
DEADLINE_MAX_S: Final = 86_400
_KEY: Final = re.compile(rf"[\x21-\x7e]{{1,{KEY_MAX_CHARS}}}")


def _key(sent: str | None) -> str | None:
    if sent is None or _KEY.fullmatch(sent):
        return sent
    raise _unreadable(IDEMPOTENCY_KEY, f"is not 1 to {KEY_MAX_CHARS} visible ASCII characters")


def _seconds(sent: Any) -> int | None:
    if sent is None:
        return None
    seconds = int(sent) if re.fullmatch(r"[0-9]{1,9}", sent) else 0
    if 1 <= seconds <= DEADLINE_MAX_S:
        return seconds
    raise _unreadable(CANCEL_AFTER, f"is not a whole number of seconds, 1 to {DEADLINE_MAX_S}")


def _unreadable(name: str, message: str) -> Refusal:
    error = FieldError(field=name, code="invalid", message=message)
    return Refusal(Problem(400, "invalid_header", f"{name}: {message}.", (error,)))


class CreateHeaders(BaseModel):
    """What a POST that creates may carry."""

    model_config = ConfigDict(extra="ignore")

    idempotency_key: Annotated[str | None, AfterValidator(_key)] = Field(
        None,
        alias=IDEMPOTENCY_KEY,
        description="Names this call for a day: sent again with the same body, in whatever "
        "order, it gets the same answer and `Idempotent-Replayed: true`, and nothing is created; "
        "with another body, 422. Copies that are sent at once wait for the first, 5 s at most, "
        f"then 409. 1 to {KEY_MAX_CHARS} visible ASCII characters, such as a UUID.",
    )


class SubmitHeaders(CreateHeaders):
    """What a POST of a job may carry."""

    cancel_after: Annotated[int | None, BeforeValidator(_seconds)] = Field(
        None,
        alias=CANCEL_AFTER,
        description="The same as the body's `deadline_s`; where both are sent, they must be equal.",
    )
