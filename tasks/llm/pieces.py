"""A piece of an answer, and what the protocols' parsers have in common.

Nothing here trusts a type: a value that is missing, null or of another type counts as absent.
"""

import math
from typing import Any, Final, NamedTuple

# Larger numbers are not token counts.
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


class Piece(NamedTuple):
    """The content of one JSON value from a provider.

    Attributes:
        text: the next text of the answer.
        thought: the next reasoning text, which is not shown.
        finish: the finish reason: `stop`, `length`, `content_filter` or `error`.
        closing: whether such a value only comes at the end, even without a finish reason.
        whole: whether nothing follows.
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
    """An error that a provider sends with status 200, usually in the middle of an answer.

    `status_code` is the corresponding HTTP status, 500 if unknown; `body` is the provider's error
    object.
    """

    def __init__(self, status_code: int, body: dict[str, Any]) -> None:
        super().__init__(status_code, body)
        self.status_code = status_code
        self.body = body


def reason(said: Any) -> str | None:
    """Normalize a provider's finish reason. None if there is none yet; unknown ones are `stop`."""
    if not isinstance(said, str) or not said.strip():
        return None
    word = said.strip().lower()
    if word in ("null", "none", "finish_reason_unspecified"):
        return None
    return _REASON_OF.get(word, STOP)


def number(said: Any) -> int | None:
    """Parse a token count, which may be a string. None for anything else."""
    if isinstance(said, str):
        try:
            said = float(said)
        except ValueError:
            return None
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        return None
    return int(said) if 0 < said < MOST_TOKENS else None


def fields(said: Any) -> dict[str, Any]:
    """Return an object, or an empty one for anything else."""
    return said if isinstance(said, dict) else {}


def items(said: Any) -> list[Any]:
    """Return a list: a single value becomes a list of one, null an empty list."""
    if isinstance(said, list):
        return said
    return [] if said is None else [said]


def text_of(said: Any) -> str:
    """Return the text of a message's content (a string, a part or a list), without reasoning."""
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
    """Return a refusal if the value is an error that means one. Raises ErrorEvent for any other
    error."""
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
