"""One table: what LiteLLM raises -> what Trimind calls it."""

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
from tasks.llm.library import ContextWindowExceededError

LIBRARY_ERRORS: Final = (openai.OpenAIError, httpx.HTTPError, httpx.StreamError)

# LiteLLM's classes derive from OpenAI's; the most special first.
TABLE: Final[tuple[tuple[type[Exception], type[PermanentError | TransientError]], ...]] = (
    (ContextWindowExceededError, ContextTooLong),
    (openai.RateLimitError, RateLimited),
    (openai.AuthenticationError, ProviderRejected),
    (openai.PermissionDeniedError, ProviderRejected),
    (openai.NotFoundError, ProviderRejected),
    (openai.BadRequestError, ProviderRejected),
    (openai.UnprocessableEntityError, ProviderRejected),
    (Exception, ProviderUnavailable),
)
# llama.cpp names it so; LiteLLM takes it for any other bad request.
TOO_LONG: Final = ("exceed_context_size", "exceeds the available context size", "context length")

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
    kind = next(name for cause, name in TABLE if isinstance(error, cause))
    if kind is ProviderRejected and any(words in str(error) for words in TOO_LONG):
        kind = ContextTooLong
    message = SAYS[kind].format(model=model, why=type(error).__name__)
    if issubclass(kind, TransientError):
        return kind(message, retry_after(error))
    return kind(message)


def retry_after(error: Exception) -> float | None:
    """The seconds of a `Retry-After` header, where the answer had one in seconds."""
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or {}
    try:
        return float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
