"""The body of a request: a JSON object in UTF-8; anything else is refused.

flask-openapi3 calls `get_json(silent=True)`: malformed JSON would become a validation error, and a
body that is a JSON *string* would be parsed again. So the checks are made here.
"""

import json
from collections.abc import Iterable
from typing import Any, Final, NoReturn

from flask import Request, request
from werkzeug.exceptions import RequestEntityTooLarge

from app.http.errors import MalformedJson, UnsupportedMediaType
from app.http.problems import invalid
from app.http.storable_text import refused_character, unstorable
from app.http.validation import UNKNOWN_FIELD, dotted
from config.settings import Settings

BYTES_PER_CHARACTER: Final = 6  # escaped: \u0000
OTHER_FIELDS_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 64


def max_body_bytes(settings: Settings) -> int:
    """Return the size of the longest message, with every character escaped, plus 64 KiB."""
    return settings.max_message_chars * BYTES_PER_CHARACTER + OTHER_FIELDS_BYTES


class JsonRequest(Request):
    """A request whose JSON is an object of clean text."""

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Return the body's object; an empty one if there is no body. Anything else raises.

        Args:
            force: Flask's; ignored.
            silent: ignored: errors are raised.
            cache: ignored.
        """
        if self._is_bare():
            return {}
        if not self.is_json:
            raise UnsupportedMediaType("Send Content-Type: application/json.")
        body = parse(self._whole())
        refuse_unclean(body)
        return body

    def _is_bare(self) -> bool:
        return not self.content_type and not self.content_length and not self._whole()

    def _whole(self) -> bytes:
        """Return the body. Werkzeug silently truncates one without a length, so that is refused."""
        data = self.get_data()
        limit = self.max_content_length
        if self.content_length is None and limit is not None and len(data) >= limit:
            raise RequestEntityTooLarge
        return data


def refuse_fields() -> None:
    """For a call that takes no body, or an empty object. Raises Refusal for anything else."""
    for name in request.get_json():
        raise invalid(field=dotted((name,)), code="unknown_field", message=UNKNOWN_FIELD)


def parse(data: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        MalformedJson: the body is not JSON, or is nested too deeply.
        Refusal: the body is JSON, but not an object.
    """
    try:
        body = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise MalformedJson("The body must be UTF-8.") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise MalformedJson("The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise invalid("", "not_an_object", "The body must be a JSON object.")
    return body


def refuse_unclean(body: dict[str, Any]) -> None:
    """Refuse what PostgreSQL can't store.

    Raises:
        Refusal: the text of a field has a null character or a lone surrogate.
        MalformedJson: the body is nested more than MAX_DEPTH levels deep.
    """
    if found := _unclean(body, 1):
        code, path = found
        raise invalid(dotted(path[::-1]), code, unstorable(code))


def _unclean(value: Any, depth: int) -> tuple[str, tuple[int | str, ...]] | None:
    """Return the code of the first refused text and its path, innermost first; None if there is
    none.

    Only the path of the refused text is built: that of every item would cost items times depth. The
    name of a field counts as part of its object.
    """
    if isinstance(value, str):
        code = refused_character(value)
        return (code, ()) if code else None
    if not isinstance(value, list | dict):
        return None
    if depth > MAX_DEPTH:
        raise _too_deep()
    members: Iterable[tuple[int | str, Any]] = enumerate(value)
    if isinstance(value, dict):
        if code := next(filter(None, map(refused_character, value)), None):
            return code, ()
        members = value.items()
    for key, item in members:
        if found := _unclean(item, depth + 1):
            return found[0], (*found[1], key)
    return None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _too_deep() -> MalformedJson:
    return MalformedJson(f"The body must not be nested more than {MAX_DEPTH} levels deep.")
