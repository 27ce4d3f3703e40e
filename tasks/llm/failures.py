"""What LiteLLM raises -> what Trimind calls it."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httpx
import openai

from models.errors import (
    ContextTooLong,
    PermanentError,
    ProviderRejected,
    ProviderUnavailable,
    RateLimited,
    TransientError,
)
from tasks.llm.library import ContextWindowExceededError, MidStreamFallbackError

LIBRARY_ERRORS: Final = (openai.OpenAIError, httpx.HTTPError, httpx.StreamError)

# Refusals that may be none a moment later; any other 4xx stays one.
TRY_AGAIN: Final = frozenset({408, 409, 425})

SAYS: Final = {
    ContextTooLong: "The message is too long for {model}.",
    RateLimited: "{model} is rate limited.",
    ProviderRejected: "{model} refuses the request ({why}).",
    ProviderUnavailable: "{model} can't be reached or broke off ({why}).",
}


def named(error: Exception, model: str) -> PermanentError | TransientError:
    """Trimind's name for an error of LiteLLM, of OpenAI's package or of httpx.

    Of the provider's own text only the kind of error is kept: it may repeat the key or the prompt.
    """
    if isinstance(error, MidStreamFallbackError) and error.original_exception is not None:
        return named(error.original_exception, model)  # it wraps all that a stream raises
    kind = _kind(error)
    message = SAYS[kind].format(model=model, why=type(error).__name__)
    if issubclass(kind, TransientError):
        return kind(message, retry_after(error))
    return kind(message)


def _kind(error: Exception) -> type[PermanentError | TransientError]:
    if isinstance(error, ContextWindowExceededError):
        return ContextTooLong
    # LiteLLM's classes are not to be relied on: a 403 of OpenAI comes as APIError, a refused
    # connection as InternalServerError. The status is right.
    status = getattr(error, "status_code", None)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited
    if isinstance(status, int) and 400 <= status < 500 and status not in TRY_AGAIN:
        return ProviderRejected
    return ProviderUnavailable


def retry_after(error: Exception) -> float | None:
    """The seconds that a `Retry-After` header asks for, where the answer had one."""
    # LiteLLM makes a response of its own for most errors, without the provider's headers.
    headers = getattr(error, "litellm_response_headers", None)
    headers = headers or getattr(getattr(error, "response", None), "headers", None) or {}
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return _until(value)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(date: str) -> float | None:
    try:
        return max(0.0, (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
