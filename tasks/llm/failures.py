"""What LiteLLM raises -> what Trimind calls it: whose failure it is."""

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
from tasks.llm.complaint import Complaint, complaint
from tasks.llm.library import ContextWindowExceededError, MidStreamFallbackError
from tasks.llm.models import ADDRESS_VARIABLES
from tasks.llm.retry_after import retry_after

LIBRARY_ERRORS: Final = (openai.OpenAIError, httpx.HTTPError, httpx.StreamError)

# The operator's: a key that is wrong or not allowed to, no credit, a model or an address unknown,
# a proxy that wants a password.
OPERATORS: Final = frozenset({401, 402, 403, 404, 405, 407})
# Refusals that may be none a moment later; any other 4xx stays one.
TRY_AGAIN: Final = frozenset({408, 409, 425})

SAYS: Final = {
    ContextTooLong: "The message is too long for {model}.",
    RateLimited: "{model} is rate limited.",
    ProviderMisconfigured: (
        "{model} does not serve us as it is set up ({why}){word}: check {variable}."
    ),
    ProviderRejected: "{model} refuses the {what} ({why}).",
    ProviderUnavailable: "{model} can't be reached or broke off ({why}).",
}


def translate_error(
    error: Exception,
    model: str,
    headers: Mapping[str, str] | None = None,
    said: Complaint | None = None,
) -> PermanentError | TransientError:
    """Trimind's name for an error of LiteLLM, of OpenAI's package or of httpx.

    Of the provider's own text only the kind of error is kept: it may repeat the key or the prompt.

    Args:
        error: what was raised.
        model: the name of the model that was asked.
        headers: those of the provider's answer, which LiteLLM hides in most errors.
        said: the provider's answer, where it is an error; without it, the error's own status and
            body. LiteLLM's classes are not to be relied on: a 403 of OpenAI comes as APIError, and
            a 400 that repeats a prompt about rate limits as RateLimitError.
    """
    if isinstance(error, MidStreamFallbackError) and error.original_exception is not None:
        return translate_error(
            error.original_exception, model, headers, said
        )  # it wraps what a stream raises
    if said is None:
        status = getattr(error, "status_code", None)
        said = complaint(status if isinstance(status, int) else None, getattr(error, "body", None))
    kind = _kind(error, said)
    message = SAYS[kind].format(
        model=model,
        why=type(error).__name__,
        word=f", {said.word}" if said.word else "",  # one that we know: it repeats no prompt
        variable=_variable(said, model),
        what="content" if said.refuses_content else "request",
    )
    if kind is ProviderMisconfigured:
        asked = retry_after(error, headers)
        return ProviderMisconfigured(message, asked, _variable(said, model), said.no_credit)
    if issubclass(kind, TransientError):
        return kind(message, retry_after(error, headers, limited=kind is RateLimited))
    return kind(message)


def _kind(error: Exception, said: Complaint) -> type[PermanentError | TransientError]:
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


def _is_operators(said: Complaint) -> bool:
    if said.status in OPERATORS or said.no_credit_or_key:
        return True
    return said.unknown_model and said.status != HTTPStatus.TOO_MANY_REQUESTS


def _variable(said: Complaint, model: str) -> str:
    """What the operator has to look at."""
    if said.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return "HTTPS_PROXY"
    provider = model.split("/")[0]
    key = PROVIDER_KEYS.get(provider)
    address = ADDRESS_VARIABLES.get(provider)
    if said.unknown_model or key is None:
        return ", ".join(filter(None, ("MINDS_FILE (the model's name)", address, key)))
    return key
