"""Names for the errors of LiteLLM, of OpenAI's package and of httpx."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import litellm
import openai
import pytest

from models.errors import (
    ContextTooLong,
    PermanentError,
    ProviderMisconfigured,
    ProviderRejected,
    ProviderUnavailable,
    RateLimited,
    TransientError,
    TrimindError,
)
from tasks.llm.failures import LIBRARY_ERRORS, named

ABOUT: dict[str, Any] = {"message": "the prompt and sk-secret", "llm_provider": "p", "model": "m"}
REQUEST = httpx.Request("POST", "http://127.0.0.1:9")


def answer(status: int) -> httpx.Response:
    return httpx.Response(status, request=REQUEST)


def mid_stream(original: Exception | None) -> litellm.exceptions.MidStreamFallbackError:
    return litellm.exceptions.MidStreamFallbackError(**ABOUT, original_exception=original)


NAMES: list[tuple[Exception, type[TrimindError]]] = [
    (litellm.ContextWindowExceededError(**ABOUT), ContextTooLong),
    (litellm.RateLimitError(**ABOUT), RateLimited),
    (litellm.AuthenticationError(**ABOUT), ProviderMisconfigured),
    (litellm.PermissionDeniedError(**ABOUT, response=answer(403)), ProviderMisconfigured),
    (litellm.NotFoundError(**ABOUT), ProviderMisconfigured),
    (litellm.BadRequestError(**ABOUT), ProviderRejected),
    (litellm.ContentPolicyViolationError(**ABOUT), ProviderRejected),
    (litellm.UnsupportedParamsError(**ABOUT), ProviderRejected),
    (litellm.UnprocessableEntityError(**ABOUT, response=answer(422)), ProviderRejected),
    (litellm.APIError(status_code=403, **ABOUT), ProviderMisconfigured),
    (litellm.APIError(status_code=402, **ABOUT), ProviderMisconfigured),
    (litellm.APIError(status_code=529, **ABOUT), ProviderUnavailable),
    *(
        (litellm.APIError(status_code=status, **ABOUT | {"message": said}), ProviderMisconfigured)
        for status, said in (
            (429, "{'error': {'code': 'insufficient_quota', 'message': 'the prompt'}}"),
            (400, "Your credit balance is too low to access the Anthropic API."),
            (400, "API key not valid. Please pass a valid API key. API_KEY_INVALID"),
        )
    ),
    (litellm.APIError(status_code=409, **ABOUT), ProviderUnavailable),
    (litellm.APIError(status_code=500, **ABOUT), ProviderUnavailable),
    (litellm.Timeout(**ABOUT), ProviderUnavailable),
    (litellm.InternalServerError(**ABOUT), ProviderUnavailable),
    (litellm.ServiceUnavailableError(**ABOUT), ProviderUnavailable),
    (litellm.BadGatewayError(**ABOUT), ProviderUnavailable),
    (litellm.APIConnectionError(**ABOUT), ProviderUnavailable),
    (mid_stream(None), ProviderUnavailable),
    (mid_stream(litellm.APIConnectionError(**ABOUT)), ProviderUnavailable),
    (mid_stream(litellm.RateLimitError(**ABOUT)), RateLimited),
    (mid_stream(litellm.ContextWindowExceededError(**ABOUT)), ContextTooLong),
    (openai.APIConnectionError(request=REQUEST), ProviderUnavailable),
    (openai.APITimeoutError(request=REQUEST), ProviderUnavailable),
    (openai.ConflictError("no", response=answer(409), body=None), ProviderUnavailable),
    (httpx.ConnectError("no"), ProviderUnavailable),
    (httpx.RemoteProtocolError("no"), ProviderUnavailable),
    (httpx.StreamClosed(), ProviderUnavailable),
]


@pytest.mark.parametrize(("error", "name"), NAMES, ids=lambda value: getattr(value, "code", None))
def test_an_error_of_the_library_has_one_name(error: Exception, name: type[TrimindError]) -> None:
    found = named(error, "openai/gpt")

    assert type(found) is name
    assert isinstance(error, LIBRARY_ERRORS)
    assert isinstance(found, PermanentError | TransientError)
    assert "openai/gpt" in found.message
    assert "sk-secret" not in found.message
    assert "prompt" not in found.message


def waits(value: str) -> float | None:
    error = litellm.RateLimitError(**ABOUT)
    error.litellm_response_headers = httpx.Headers({"Retry-After": value})
    found = named(error, "m")
    assert isinstance(found, RateLimited)
    return found.retry_after


def test_a_wait_is_read_in_seconds_or_as_a_date() -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)

    assert waits("2.5") == 2.5
    assert 55 < (waits(in_a_minute) or 0) <= 60
    assert waits("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert waits("-3") == 0

    assert 55 < (waits(time.asctime(time.gmtime(time.time() + 60))) or 0) <= 60
    assert waits("1e9") == 3600


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_a_wait_is_read_from_the_providers_own_headers_at_every_status(status: int) -> None:
    error = litellm.APIError(status_code=status, **ABOUT)

    for headers, seconds in (({"retry-after": "7"}, 7), ({"retry-after-ms": "250"}, 0.25)):
        found = named(error, "m", httpx.Headers(headers))
        assert isinstance(found, TransientError)
        assert found.retry_after == seconds


def test_a_wait_is_read_from_geminis_body() -> None:
    said = '{"error": {"details": [{"@type": "x.RetryInfo", "retryDelay": "37.5s"}]}}'
    found = named(litellm.RateLimitError(**ABOUT | {"message": said}), "m")

    assert isinstance(found, RateLimited)
    assert found.retry_after == 37.5


def test_who_is_set_up_wrongly_is_named_by_its_variable() -> None:
    found = named(litellm.AuthenticationError(**ABOUT), "anthropic/claude")

    assert found.message.endswith("check ANTHROPIC_API_KEY.")


@pytest.mark.parametrize("value", ["soon", "", "nan", "inf"])
def test_a_wait_that_cannot_be_read_is_none(value: str) -> None:
    assert waits(value) is None


def test_a_wait_in_the_librarys_own_response_counts_too() -> None:
    response = httpx.Response(429, headers={"retry-after": "7"})
    error = litellm.RateLimitError(**ABOUT, response=response)

    found = named(error, "m")

    assert isinstance(found, RateLimited)
    assert found.retry_after == 7


def test_a_wait_survives_the_streams_wrapping() -> None:
    inner = litellm.RateLimitError(**ABOUT)
    inner.litellm_response_headers = httpx.Headers({"retry-after": "9"})

    found = named(mid_stream(inner), "m")

    assert isinstance(found, RateLimited)
    assert found.retry_after == 9
