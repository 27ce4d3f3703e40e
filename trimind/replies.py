"""What the server answered, read without trusting it: sizes are limited, shapes are checked."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import httpx

from trimind.errors import ApiError, FieldError, UnexpectedAnswer, Unreachable

# A page of a hundred jobs with the longest answers has a tenth of it.
BODY_MAX_BYTES: Final = 64 * 1024 * 1024
DETAIL_MAX_CHARS: Final = 1_000
FIELDS_MAX: Final = 20


@dataclass(frozen=True)
class Reply:
    """A whole response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as an object. Raises UnexpectedAnswer if it is none."""
        return parse_object(self.body)

    @property
    def retry_after(self) -> float | None:
        """Seconds, from a number or a date; None if it is missing or malformed."""
        return _seconds(self.headers.get("Retry-After", ""))


class Body:
    """The pieces of a response's body. Raises UnexpectedAnswer beyond `BODY_MAX_BYTES`."""

    def __init__(self) -> None:
        self._pieces = bytearray()

    def add(self, piece: bytes) -> None:
        """Add the next piece."""
        if len(self._pieces) + len(piece) > BODY_MAX_BYTES:
            raise UnexpectedAnswer(f"The answer is larger than {BODY_MAX_BYTES} bytes.")
        self._pieces += piece

    def reply(self, response: httpx.Response) -> Reply:
        """The whole response. Raises ApiError if the call was refused."""
        reply = Reply(response.status_code, response.headers, bytes(self._pieces))
        if not response.is_success:
            raise refusal(reply)
        return reply


def parse_object(text: bytes) -> dict[str, Any]:
    """A JSON object. Raises UnexpectedAnswer if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UnexpectedAnswer("The answer is no JSON object: is this address Trimind's?")
    return found


def refusal(reply: Reply) -> ApiError:
    """The error of an unsuccessful response, which a proxy may have written."""
    try:
        problem = reply.json()
        return ApiError(
            reply.status,
            str(problem["code"]),
            str(problem["detail"])[:DETAIL_MAX_CHARS],
            request_id=problem.get("request_id"),
            errors=tuple(map(_field_error, problem.get("errors", [])[:FIELDS_MAX])),
            retry_after=reply.retry_after,
        )
    except (UnexpectedAnswer, KeyError, TypeError, AttributeError):
        return ApiError(
            reply.status, "unknown", _phrase(reply.status), retry_after=reply.retry_after
        )


@contextmanager
def translated(url: httpx.URL) -> Iterator[None]:
    """Raise httpx's errors as Unreachable. Their messages are only used where they can't contain a
    header, since one of those is the key."""
    where = url.copy_with(userinfo=b"")
    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise Unreachable(f"{where} does not answer: {error}") from error
    except httpx.LocalProtocolError:
        raise Unreachable(f"{where} was not called: a header is malformed") from None
    except (httpx.HTTPError, httpx.StreamError) as error:
        why = str(error) or type(error).__name__
        raise Unreachable(f"{where} does not answer: {why}", passing=True) from error


def _field_error(found: Mapping[str, Any]) -> FieldError:
    return FieldError(*(str(found.get(name, "")) for name in ("field", "code", "message")))


def _phrase(status: int) -> str:
    if 300 <= status < 400:
        return "The server redirects: use the address that it serves at"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown status"


def _seconds(value: str) -> float | None:
    if value.isdecimal() and value.isascii() and len(value) <= 9:
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
