"""The body of a request: a JSON object in UTF-8, or a refusal that says what it is instead.

flask-openapi3 asks `get_json(silent=True)`: malformed JSON would become a validation error, and a
body that is a JSON *string* would be parsed a second time. So the guard stands here, before it.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from flask import Request, request
from werkzeug.exceptions import RequestEntityTooLarge

from app.field_errors import dotted
from app.problem import Problem, Refusal, invalid
from app.text import refused_character
from config.settings import Settings

BYTES_A_CHARACTER: Final = 6  # as JSON may write one: \u0000
BESIDE_THE_MESSAGE: Final = 64 * 1024
READ_PAST_BYTES: Final = 8 * 1024 * 1024


def max_body_bytes(settings: Settings) -> int:
    """What the longest message needs, however it is written, and some room for the rest."""
    return settings.max_message_chars * BYTES_A_CHARACTER + BESIDE_THE_MESSAGE


class JsonRequest(Request):
    """A request whose JSON is an object of clean text."""

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body's object; an empty one where there is no body. Never silent: raises Refusal for
        anything else.

        Args:
            force: ignored, as are the others; they are Flask's.
            silent: ignored.
            cache: ignored.
        """
        if self._is_bare():
            return {}
        if not self.is_json:
            raise Refusal(
                Problem(415, "unsupported_media_type", "Send Content-Type: application/json.")
            )
        try:
            data = self._whole()
        except RequestEntityTooLarge:
            self._read_past()
            raise
        body = parse(data)
        refuse_unclean(body)
        return body

    def _is_bare(self) -> bool:
        return not self.content_type and not self.content_length and not self._whole()

    def _whole(self) -> bytes:
        """The body. One without a length is cut at the limit by werkzeug, which says nothing."""
        data = self.get_data()
        limit = self.max_content_length
        if self.content_length is None and limit is not None and len(data) >= limit:
            raise RequestEntityTooLarge
        return data

    def _read_past(self) -> None:
        """Take the body in and forget it. With more than 64 KiB unread gunicorn closes the
        connection, though it has just called it alive, and the caller's next request is lost."""
        if (self.content_length or 0) > READ_PAST_BYTES:
            return
        body, left = self.environ["wsgi.input"], READ_PAST_BYTES
        while left > 0 and (chunk := body.read(min(left, 64 * 1024))):
            left -= len(chunk)


def refuse_fields() -> None:
    """For a call that takes no body, or an empty object. Raises Refusal for anything else."""
    for name in request.get_json():
        message = "is no field of this call"
        raise invalid(field=dotted((name,)), code="unknown_field", message=message)


def parse(data: bytes) -> dict[str, Any]:
    """A JSON object. Raises Refusal: 400 for what is no JSON, 422 for what is no object."""
    try:
        body = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise _malformed("The body is not UTF-8.") from None
    except RecursionError:
        raise _malformed("The body is nested too deeply.") from None
    except ValueError:
        raise _malformed("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise invalid("", "not_an_object", "The body is not a JSON object.")
    return body


def refuse_unclean(body: dict[str, Any]) -> None:
    """Raises Refusal for text that PostgreSQL can't store, naming the field that holds it."""
    for path, text in _texts(body):
        if code := refused_character(text):
            raise invalid(dotted(path), code, f"has a {code.replace('_', ' ')}")


def _texts(body: dict[str, Any]) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Every string and where it is; a name counts as part of the object that has it. No recursion:
    what the parser could nest, this can walk."""
    rest: list[tuple[tuple[int | str, ...], Any]] = [((), body)]
    while rest:
        path, value = rest.pop()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, list):
            rest += [((*path, index), item) for index, item in enumerate(value)]
        elif isinstance(value, dict):
            yield from ((path, name) for name in value)
            rest += [((*path, name), item) for name, item in value.items()]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _malformed(detail: str) -> Refusal:
    return Refusal(Problem(400, "malformed_json", detail))
