"""What LiteLLM raises -> what Trimind calls it: whose failure it is."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import httpx
import openai

from config.settings import PROVIDER_KEYS
from models.errors import (
    ContextTooLong,
    PermanentError,
    ProviderMisconfigured,
    ProviderRejected,
    ProviderUnavailable,
    RateLimited,
    TransientError,
)
from tasks.llm.library import ContextWindowExceededError, MidStreamFallbackError

LIBRARY_ERRORS: Final = (openai.OpenAIError, httpx.HTTPError, httpx.StreamError)

# The operator's: a key that is wrong or not allowed to, no credit, a model or an address unknown.
OPERATORS: Final = frozenset({401, 402, 403, 404, 405})
# What the same is called where the status says something else: OpenAI's 429 without credit, and
# Anthropic's and Gemini's 400.
OPERATORS_WORDS: Final = (
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "credit balance is too low",
    "api_key_invalid",
    "api key not valid",
    "api key expired",
    "model_not_found",
)
# No provider is left alone for longer, whatever it asks for.
LONGEST_S: Final = 3600.0
RETRY_DELAY: Final = re.compile(r"retryDelay['\"]{1,2}\s*:\s*['\"]{1,2}(\d{1,9}(?:\.\d{1,9})?)s")

# Refusals that may be none a moment later; any other 4xx stays one.
TRY_AGAIN: Final = frozenset({408, 409, 425})

SAYS: Final = {
    ContextTooLong: "The message is too long for {model}.",
    RateLimited: "{model} is rate limited.",
    ProviderMisconfigured: "{model} does not serve us as it is set up ({why}): check {variable}.",
    ProviderRejected: "{model} refuses the request ({why}).",
    ProviderUnavailable: "{model} can't be reached or broke off ({why}).",
}


def named(
    error: Exception, model: str, headers: Mapping[str, str] | None = None
) -> PermanentError | TransientError:
    """Trimind's name for an error of LiteLLM, of OpenAI's package or of httpx.

    Of the provider's own text only the kind of error is kept: it may repeat the key or the prompt.

    Args:
        error: what was raised.
        model: the name of the model that was asked.
        headers: those of the provider's answer, which LiteLLM hides in most errors.
    """
    if isinstance(error, MidStreamFallbackError) and error.original_exception is not None:
        return named(error.original_exception, model, headers)  # it wraps all that a stream raises
    kind = _kind(error)
    why, variable = type(error).__name__, _variable(error, model)
    message = SAYS[kind].format(model=model, why=why, variable=variable)
    if issubclass(kind, TransientError):
        return kind(message, retry_after(error, headers))
    return kind(message)


def _kind(error: Exception) -> type[PermanentError | TransientError]:
    if isinstance(error, ContextWindowExceededError):
        return ContextTooLong
    # LiteLLM's classes are not to be relied on: a 403 of OpenAI comes as APIError, a refused
    # connection as InternalServerError. The status is right.
    status = getattr(error, "status_code", None)
    if status in OPERATORS or (status in (400, 429) and _is_operators(error)):
        return ProviderMisconfigured
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited
    if isinstance(status, int) and 400 <= status < 500 and status not in TRY_AGAIN:
        return ProviderRejected
    return ProviderUnavailable


def _is_operators(error: Exception) -> bool:
    said = f"{getattr(error, 'code', '')} {getattr(error, 'body', '')} {error}".lower()
    return any(word in said for word in OPERATORS_WORDS)


def _variable(error: Exception, model: str) -> str:
    """What the operator has to look at."""
    key = PROVIDER_KEYS.get(model.split("/")[0], "the provider's settings")
    unknown = getattr(error, "status_code", None) in (404, 405)
    return f"the model's name in minds.toml, the provider's address and {key}" if unknown else key


def retry_after(error: Exception, headers: Mapping[str, str] | None = None) -> float | None:
    """The seconds that the provider asks to be left alone for, an hour at most: by
    `Retry-After-Ms`, `Retry-After` (seconds or a date), or Gemini's `retryDelay` in the body."""
    # LiteLLM makes a response of its own for most errors, without the provider's headers.
    found: Any = getattr(error, "litellm_response_headers", None)
    found = found or getattr(getattr(error, "response", None), "headers", None) or {}
    for each in (headers or {}, found):
        seconds = _seconds(each.get("retry-after-ms"), 1000)
        seconds = _seconds(each.get("retry-after")) if seconds is None else seconds
        if seconds is not None:
            return min(seconds, LONGEST_S)
    delay = RETRY_DELAY.search(f"{getattr(error, 'body', '')} {error}")
    return min(float(delay[1]), LONGEST_S) if delay else None


def _seconds(value: str | None, divisor: float = 1) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value) / divisor
    except ValueError:
        return _until(value)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(date: str) -> float | None:
    try:
        at = parsedate_to_datetime(date)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)  # asctime's form names no zone: it is GMT
        return max(0.0, (at - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None
