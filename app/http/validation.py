"""What pydantic found, in our words: stable codes, dotted paths, and never the rejected value."""

from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.http.problems import FieldError

PATH_PART_CHARS: Final = 64
MAX_ERRORS: Final = 20

# pydantic's type -> (our code, our sentence). What is not here keeps pydantic's own.
WORDS: Final = {
    "missing": ("missing", "is missing"),
    "extra_forbidden": ("unknown_field", "is no field of this call"),
    "string_type": ("not_a_string", "is not a string"),
    "string_too_long": ("too_long", "is longer than {max_length} characters"),
    "string_too_short": ("too_short", "is shorter than {min_length} characters"),
    "message_too_long": ("too_long", "is longer than {limit} characters"),
    "bool_type": ("not_a_boolean", "is not true or false"),
    "float_type": ("not_a_number", "is not a number"),
    "list_type": ("not_a_list", "is not a list"),
    "dict_type": ("not_an_object", "is not an object"),
    "model_type": ("not_an_object", "is not an object"),
    "unsupported_value": ("unsupported_value", "is not supported; leave it out{or_send}"),
    "too_long": ("too_many", "has more than {max_length} entries"),
    "too_short": ("too_few", "has fewer than {min_length} entries"),
    "int_type": ("not_an_integer", "is not an integer"),
    "int_parsing": ("not_an_integer", "is not an integer"),
    "int_parsing_size": ("not_an_integer", "is not an integer"),
    "greater_than_equal": ("too_small", "is less than {ge}"),
    "less_than_equal": ("too_large", "is more than {le}"),
    "literal_error": ("not_allowed", "is none of {expected}"),
}


def field_errors(error: ValidationError) -> tuple[FieldError, ...]:
    """The mistakes, by the field's dotted path: the first MAX_ERRORS. A body may have a hundred
    thousand, and an answer that is many times the size of its request serves nobody."""
    found = error.errors(include_url=False, include_input=False)[:MAX_ERRORS]
    return tuple(_field_error(problem) for problem in found)


def dotted(path: tuple[int | str, ...]) -> str:
    """A path as a client reads it. Names that the client made up are cut: they may be long."""
    parts = (str(part).removesuffix("[key]")[:PATH_PART_CHARS] for part in path if part != "[key]")
    return ".".join(parts)


def _field_error(problem: ErrorDetails) -> FieldError:
    kind = problem["type"]
    code, words = WORDS.get(kind, (kind, problem["msg"]))
    message = words.format_map(problem.get("ctx", {})) if kind in WORDS else words
    return FieldError(field=dotted(problem["loc"]), code=code, message=message)
