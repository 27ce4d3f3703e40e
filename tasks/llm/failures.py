"""Translate the errors of LiteLLM to Trimind's, by whose failure they are."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

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
from tasks.llm.library import ContextWindowExceededError
from tasks.llm.models import ADDRESS_VARIABLES
from tasks.llm.provider_error import ProviderError, parse_error
from tasks.llm.retry_after import retry_after

LIBRARY_ERRORS: Final = (openai.OpenAIError, httpx.HTTPError, httpx.StreamError)

# The operator's: a wrong or unauthorized key, no credit, an unknown model or URL, a proxy that
# requires a password.
OPERATORS: Final = frozenset({401, 402, 403, 404, 405, 407})
# The 4xx statuses that are worth retrying.
TRY_AGAIN: Final = frozenset({408, 409, 425})

SAYS: Final = {
    ContextTooLong: "The message is too long for {model}.",
    RateLimited: "{model} is rate limited.",
    ProviderMisconfigured: (
        "{model} refuses service as configured ({why}){word}: check {variable}."
    ),
    ProviderRejected: "{model} rejected the {what} ({why}).",
    ProviderUnavailable: "{model} is unreachable or broke off ({why}).",
}


def translate_error(
    error: Exception,
    model: str,
    headers: Mapping[str, str] | None = None,
    said: ProviderError | None = None,
) -> PermanentError | TransientError:
    """Translate an error of LiteLLM, of OpenAI's package or of httpx to Trimind's.

    Nothing of the provider's text is kept except the kind of error: it may repeat the key or the
    prompt.

    Args:
        error: the error that was raised.
        model: the name of the model that was called.
        headers: the response's headers, which LiteLLM hides in most errors.
        said: the response, if it is an error; by default, the error's own status and body.
            LiteLLM's classes are unreliable: OpenAI's 403 comes as APIError, and a 400 that repeats
            a prompt about rate limits as RateLimitError.
    """
    if said is None:
        status = getattr(error, "status_code", None)
        body = getattr(error, "body", None)
        said = parse_error(status if isinstance(status, int) else None, body)
    kind = _kind(error, said)
    message = SAYS[kind].format(
        model=model,
        why=type(error).__name__,
        word=f", {said.word}" if said.word else "",  # a known word, so not part of the prompt
        variable=_variable(said, model),
        what="content" if said.refuses_content else "request",
    )
    if kind is ProviderMisconfigured:
        asked = retry_after(error, headers)
        return ProviderMisconfigured(message, asked, _variable(said, model), said.no_credit)
    if issubclass(kind, TransientError):
        return kind(message, retry_after(error, headers, limited=kind is RateLimited))
    return kind(message)


def _kind(error: Exception, said: ProviderError) -> type[PermanentError | TransientError]:
    status = said.status
    if status is None or (status >= HTTPStatus.INTERNAL_SERVER_ERROR and not said.in_band):
        return ProviderUnavailable
    if said.refuses_content:
        return ProviderRejected
    if said.too_long:
        return ContextTooLong
    if _is_operators(said):
        return ProviderMisconfigured
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited
    if isinstance(error, ContextWindowExceededError):
        return ContextTooLong
    refused = 400 <= status < 500 and status not in TRY_AGAIN
    return ProviderRejected if refused else ProviderUnavailable


def _is_operators(said: ProviderError) -> bool:
    if said.status in OPERATORS or said.no_credit_or_key:
        return True
    return said.unknown_model and said.status != HTTPStatus.TOO_MANY_REQUESTS


def _variable(said: ProviderError, model: str) -> str:
    """The variable for the operator to check."""
    if said.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return "HTTPS_PROXY"
    provider = model.split("/")[0]
    key = PROVIDER_KEYS.get(provider)
    address = ADDRESS_VARIABLES.get(provider)
    if said.unknown_model or key is None:
        return ", ".join(filter(None, ("MINDS_FILE (the model's name)", address, key)))
    return key
