"""Pydantic's errors as field errors: stable codes, dotted paths, never the rejected value."""

from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.http.problems import FieldError

PATH_PART_CHARS: Final = 64
MAX_ERRORS: Final = 20
UNKNOWN_FIELD: Final = "unknown field"

# pydantic's type -> (our code, our message). A type that is not listed keeps pydantic's own.
WORDS: Final = {
    "missing": ("missing", "is required"),
    "extra_forbidden": ("unknown_field", UNKNOWN_FIELD),
    "string_type": ("not_a_string", "must be a string"),
    "string_too_long": ("too_long", "must have at most {max_length} characters"),
    "string_too_short": ("too_short", "must have {min_length} or more characters"),
    "message_too_long": ("too_long", "must have at most {limit} characters"),
    "bool_type": ("not_a_boolean", "must be true or false"),
    "float_type": ("not_a_number", "must be a number"),
    "list_type": ("not_a_list", "must be a list"),
    "dict_type": ("not_an_object", "must be an object"),
    "model_type": ("not_an_object", "must be an object"),
    "unsupported_value": ("unsupported_value", "is not supported; omit it{or_send}"),
    "too_long": ("too_many", "must have at most {max_length} entries"),
    "too_short": ("too_few", "must have {min_length} or more entries"),
    "int_type": ("not_an_integer", "must be an integer"),
    "int_parsing": ("not_an_integer", "must be an integer"),
    "int_parsing_size": ("not_an_integer", "must be an integer"),
    "greater_than_equal": ("too_small", "must be at least {ge}"),
    "less_than_equal": ("too_large", "must be at most {le}"),
    "literal_error": ("not_allowed", "must be {expected}"),
}


def field_errors(error: ValidationError) -> tuple[FieldError, ...]:
    """Return the first MAX_ERRORS errors. A body may have a hundred thousand, and a response many
    times the size of its request helps no client."""
    found = error.errors(include_url=False, include_input=False)[:MAX_ERRORS]
    return tuple(_field_error(problem) for problem in found)


def dotted(path: tuple[int | str, ...]) -> str:
    """Join a path with dots. Names that the client chose are truncated, since they may be long."""
    parts = (str(part).removesuffix("[key]")[:PATH_PART_CHARS] for part in path if part != "[key]")
    return ".".join(parts)


def _field_error(problem: ErrorDetails) -> FieldError:
    kind = problem["type"]
    code, message = WORDS.get(kind, (kind, problem["msg"]))
    if kind in WORDS:
        message = message.format_map(problem.get("ctx", {}))
    return FieldError(field=dotted(problem["loc"]), code=code, message=message)
