"""How long a provider asks us to wait, in all the forms in which providers say it."""

import math
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

# The longest wait, whatever a provider asks for.
LONGEST_S: Final = 3600.0
# Larger numbers are not a wait but a Unix time, in seconds or in milliseconds.
_EPOCH_S: Final = 1e9
_EPOCH_MS: Final = 1e12

_RETRY_DELAY: Final = re.compile(r"retryDelay['\"]{1,2}\s*:\s*['\"]{1,2}(\d{1,9}(?:\.\d{1,9})?)s")
# `x-ratelimit-reset-tokens` (OpenAI), `anthropic-ratelimit-tokens-reset`, `ratelimit-reset`.
_RESET: Final = re.compile(r"(?:x-|anthropic-)?ratelimit-(?:[\w-]+-)?reset(?:-[\w-]+)?")
# Go's format of durations: 1s, 6m0s, 1h2m3.5s, 120ms.
_DURATION: Final = re.compile(r"(?=\d)(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")
_UNIT_S: Final = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def retry_after(
    error: Exception, headers: Mapping[str, str] | None = None, *, limited: bool = False
) -> float | None:
    """Return the seconds to wait that the provider asks for, at most an hour, or None.

    Reads `Retry-After-Ms`, `Retry-After` (RFC 9110, 10.2.3), the reset of an exhausted limit, and
    Gemini's `retryDelay` in the body. An invalid or negative value does not hide the others.

    Args:
        error: the error that was raised.
        headers: the response's headers.
        limited: whether some limit is exhausted, so that any reset counts if it is unclear which.
    """
    # For most errors LiteLLM makes its own response, without the provider's headers.
    found: Any = getattr(error, "litellm_response_headers", None)
    found = found or getattr(getattr(error, "response", None), "headers", None) or {}
    asked = [seconds for each in (headers or {}, found) for seconds in _asked(each, limited)]
    delay = _RETRY_DELAY.search(f"{getattr(error, 'body', '')} {error}")
    if delay:
        asked.append(float(delay[1]))
    good = [seconds for seconds in asked if seconds >= 0]
    if good:
        return min(good[0], LONGEST_S)
    return 0.0 if asked else None


def _asked(headers: Mapping[str, str], limited: bool) -> Iterator[float]:
    """Yield the seconds that the headers name, most precise first; negative ones are past."""
    ms, after = headers.get("retry-after-ms"), headers.get("retry-after")
    # Negative milliseconds are invalid; negative seconds are a time that has passed.
    found = (_number(ms, 1e-3) if ms and not ms.strip().startswith("-") else None, _seconds(after))
    yield from (seconds for seconds in found if seconds is not None)
    resets = {name: value for name, value in headers.items() if _RESET.fullmatch(name.lower())}
    used_up = [value for name, value in resets.items() if _is_used_up(headers, name)]
    waits = [_until_reset(value) for value in used_up or (resets.values() if limited else ())]
    known = [seconds for seconds in waits if seconds is not None]
    if known:
        yield max(known)


def _is_used_up(headers: Mapping[str, str], reset: str) -> bool:
    return headers.get(reset.lower().replace("reset", "remaining"), "").strip() in ("0", "0.0")


def _seconds(value: str | None) -> float | None:
    """Parse a number of seconds, a duration, or a time as an HTTP date or in ISO 8601."""
    text = (value or "").strip()
    number = _number(text)
    if number is not None:
        return number
    if _DURATION.fullmatch(text.lower()):
        return sum(float(n) * _UNIT_S[unit] for n, unit in _PART.findall(text.lower()))
    return _until(text)


def _until_reset(value: str) -> float | None:
    """Parse the same forms, or a Unix time in seconds or in milliseconds."""
    seconds = _seconds(value)
    if seconds is None or seconds < _EPOCH_S:
        return seconds
    return max(0.0, seconds / (1000 if seconds >= _EPOCH_MS else 1) - time.time())


def _number(text: str | None, unit: float = 1) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number * unit if math.isfinite(number) else None


def _until(text: str) -> float | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            at = read(text)
            at = (
                at if at.tzinfo else at.replace(tzinfo=UTC)
            )  # asctime's format has no time zone: GMT
            return max(0.0, (at - datetime.now(UTC)).total_seconds())
        except (TypeError, ValueError, OverflowError):
            continue
    return None
