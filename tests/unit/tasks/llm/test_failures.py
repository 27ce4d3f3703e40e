"""Our error for each error of LiteLLM, OpenAI's package and httpx."""

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
from tasks.llm.failures import LIBRARY_ERRORS, translate_error

ABOUT: dict[str, Any] = {"message": "the prompt and sk-secret", "llm_provider": "p", "model": "m"}
REQUEST = httpx.Request("POST", "http://127.0.0.1:9")


def answer(status: int) -> httpx.Response:
    return httpx.Response(status, request=REQUEST)


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
    (litellm.APIError(status_code=409, **ABOUT), ProviderUnavailable),
    (litellm.APIError(status_code=500, **ABOUT), ProviderUnavailable),
    (litellm.Timeout(**ABOUT), ProviderUnavailable),
    (litellm.InternalServerError(**ABOUT), ProviderUnavailable),
    (litellm.ServiceUnavailableError(**ABOUT), ProviderUnavailable),
    (litellm.BadGatewayError(**ABOUT), ProviderUnavailable),
    (litellm.APIConnectionError(**ABOUT), ProviderUnavailable),
    (openai.APIConnectionError(request=REQUEST), ProviderUnavailable),
    (openai.APITimeoutError(request=REQUEST), ProviderUnavailable),
    (openai.ConflictError("no", response=answer(409), body=None), ProviderUnavailable),
    (httpx.ConnectError("no"), ProviderUnavailable),
    (httpx.RemoteProtocolError("no"), ProviderUnavailable),
    (httpx.StreamClosed(), ProviderUnavailable),
]


@pytest.mark.parametrize(("error", "name"), NAMES, ids=lambda value: getattr(value, "code", None))
def test_an_error_of_the_library_has_one_name(error: Exception, name: type[TrimindError]) -> None:
    found = translate_error(error, "openai/gpt")

    assert type(found) is name
    assert isinstance(error, LIBRARY_ERRORS)
    assert isinstance(found, PermanentError | TransientError)
    assert "openai/gpt" in found.message
    assert "sk-secret" not in found.message
    assert "prompt" not in found.message


def waits(value: str) -> float | None:
    error = litellm.RateLimitError(**ABOUT)
    error.litellm_response_headers = httpx.Headers({"Retry-After": value})
    found = translate_error(error, "m")
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
        found = translate_error(error, "m", httpx.Headers(headers))
        assert isinstance(found, TransientError)
        assert found.retry_after == seconds


def retry_after_of(status: int, **headers: str) -> float | None:
    """The `retry_after` of an error with this status and these headers."""
    given = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
    found = translate_error(litellm.APIError(status_code=status, **ABOUT), "m", given)
    assert isinstance(found, TransientError)
    return found.retry_after


@pytest.mark.parametrize("ms", ["-250", "", "soon", "nan", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_milliseconds_that_are_none_hide_no_seconds(ms: str) -> None:
    assert retry_after_of(503, retry_after_ms=ms, retry_after="6") == 6


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("1s", 1), ("6m0s", 360), ("120ms", 0.12), ("1m2.5s", 62.5), ("2", 2), ("30m", 1800)],
)
@pytest.mark.parametrize(
    "name",
    ["x_ratelimit_reset_requests", "x_ratelimit_reset_tokens", "x_ratelimit_reset",
     "ratelimit_reset", "anthropic_ratelimit_output_tokens_reset", "retry_after"],
)  # fmt: skip
def test_the_reset_of_a_limit_is_a_wait(name: str, value: str, seconds: float) -> None:
    assert retry_after_of(429, **{name: value}) == pytest.approx(seconds)


def test_the_reset_of_a_limit_is_a_time_too() -> None:
    at = datetime.now(UTC) + timedelta(seconds=60)
    times = (at.isoformat(), f"{at:%Y-%m-%dT%H:%M:%SZ}", str(int(at.timestamp())))
    for value in (*times, str(int(at.timestamp() * 1000)), format_datetime(at, usegmt=True)):
        assert 55 < (retry_after_of(429, anthropic_ratelimit_tokens_reset=value) or 0) <= 60
    assert retry_after_of(429, x_ratelimit_reset="2015-10-21T07:28:00Z") == 0


def test_of_several_limits_the_one_that_is_used_up_counts() -> None:
    both = {"x_ratelimit_reset_requests": "1s", "x_ratelimit_reset_tokens": "6m0s"}

    assert retry_after_of(429, **both) == 360
    assert retry_after_of(429, **both, x_ratelimit_remaining_requests="0") == 1
    assert retry_after_of(429, **both, retry_after="4") == 4
    assert retry_after_of(503, **both) is None  # limits come with every answer
    assert retry_after_of(503, **both, x_ratelimit_remaining_tokens="0") == 360


@pytest.mark.parametrize("value", ["", "soon", "s", "1x", "nan", "-"])
def test_a_reset_that_cannot_be_read_is_none(value: str) -> None:
    assert retry_after_of(429, x_ratelimit_reset_tokens=value) is None


def test_a_wait_is_read_from_geminis_body() -> None:
    said = '{"error": {"details": [{"@type": "x.RetryInfo", "retryDelay": "37.5s"}]}}'
    found = translate_error(litellm.RateLimitError(**ABOUT | {"message": said}), "m")

    assert isinstance(found, RateLimited)
    assert found.retry_after == 37.5


def test_who_is_set_up_wrongly_is_named_by_its_variable() -> None:
    found = translate_error(litellm.AuthenticationError(**ABOUT), "anthropic/claude")

    assert found.message.endswith("check ANTHROPIC_API_KEY.")


@pytest.mark.parametrize("value", ["soon", "", "nan", "inf"])
def test_a_wait_that_cannot_be_read_is_none(value: str) -> None:
    assert waits(value) is None


def test_a_wait_in_the_librarys_own_response_counts_too() -> None:
    response = httpx.Response(429, headers={"retry-after": "7"})
    error = litellm.RateLimitError(**ABOUT, response=response)

    found = translate_error(error, "m")

    assert isinstance(found, RateLimited)
    assert found.retry_after == 7
