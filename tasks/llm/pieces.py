"""One step of an answer, and what the protocols have in common in saying it.

Nothing here trusts a shape: what is missing, null or of another type is read as not said.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

# Larger numbers are no token counts.
MOST_TOKENS: Final = 10**9

STOP, LENGTH, DECLINED, FAILED = "stop", "length", "content_filter", "error"
_REASONS: Final = {
    LENGTH: (
        "length max_tokens max_output_tokens max_length model_length token_limit "
        "model_context_window_exceeded"
    ),
    DECLINED: (
        "content_filter content_filtered content_policy_violation refusal safety recitation "
        "blocklist prohibited_content spii language guardrail_intervened sensitive blocked "
        "image_safety model_armor jailbreak"
    ),
    FAILED: "error network_error abort aborted cancelled insufficient_system_resource timeout",
}
_REASON_OF: Final = {word: reason for reason, words in _REASONS.items() for word in words.split()}

_STATUS_OF: Final = {
    "overloaded_error": 529,
    "overloaded": 529,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "resource_exhausted": 429,
    "authentication_error": 401,
    "unauthenticated": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "not_found": 404,
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "badrequesterror": 400,
    "context_length_exceeded": 400,
    "request_too_large": 413,
    "deadline_exceeded": 504,
    "timeout_error": 504,
    "unavailable": 503,
}


@dataclass(frozen=True, slots=True)
class Piece:
    """What one JSON value of a provider says: text, thoughts (not shown), the end, the tokens.

    `finish` is one of `stop`, `length`, `content_filter` and `error`. `closing`: this comes at the
    end alone, which need not be said then; `whole`: nothing follows.
    """

    text: str = ""
    thought: str = ""
    finish: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    closing: bool = False
    whole: bool = False


NOTHING: Final = Piece()


class ErrorEvent(Exception):
    """A provider reports an error with a status of 200, mostly in the middle of an answer.

    `status_code` is the status that it would have had, 500 where nothing tells; `body` is the
    provider's error object.
    """

    def __init__(self, status_code: int, body: dict[str, Any]) -> None:
        super().__init__(status_code, body)
        self.status_code = status_code
        self.body = body


def reason(said: Any) -> str | None:
    """A finish reason of any provider; None where none is said yet. Unknown ones are ends."""
    if not isinstance(said, str) or not said.strip():
        return None
    word = said.strip().lower()
    if word in ("null", "none", "finish_reason_unspecified"):
        return None
    return _REASON_OF.get(word, STOP)


def number(said: Any) -> int | None:
    """A count of tokens, however it is written; None for what is none."""
    if isinstance(said, str):
        try:
            said = float(said)
        except ValueError:
            return None
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        return None
    return int(said) if 0 < said < MOST_TOKENS else None


def fields(said: Any) -> dict[str, Any]:
    """An object; an empty one for anything else."""
    return said if isinstance(said, dict) else {}


def items(said: Any) -> list[Any]:
    """A list; one of what stands alone, and an empty one for null."""
    if isinstance(said, list):
        return said
    return [] if said is None else [said]


def text_of(said: Any) -> str:
    """The text of a message's content: a string, a part, or a list of them; thoughts left out."""
    if isinstance(said, str):
        return said
    if isinstance(said, dict):
        if said.get("type") in ("thinking", "reasoning", "redacted_thinking"):
            return ""
        inner = said.get("text", said.get("value"))
        return text_of(inner if inner is not None else said.get("refusal"))
    if isinstance(said, list):
        return "".join(text_of(part) for part in said)
    return str(said) if isinstance(said, int | float) and not isinstance(said, bool) else ""


def check(said: dict[str, Any]) -> Piece | None:
    """The refusal that an error object is, if there is one. Raises ErrorEvent for any other."""
    error = said.get("error")
    if not error:
        if said.get("object") != "error" and said.get("type") != "error":
            return None
        error = said
    body = error if isinstance(error, dict) else {"message": str(error)}
    words = [str(body.get(key, "")).lower() for key in ("code", "type", "status")]
    if any(_REASON_OF.get(word) == DECLINED for word in words):
        return Piece(finish=DECLINED, whole=True)
    raise ErrorEvent(_status(body, words), body)


def _status(body: dict[str, Any], words: list[str]) -> int:
    for key in ("code", "status", "status_code"):
        code = number(body.get(key))
        if code is not None and 400 <= code < 600:
            return code
    return next((_STATUS_OF[word] for word in words if word in _STATUS_OF), 500)
