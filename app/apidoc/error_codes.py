"""The tables of codes, made of the errors' classes: for the OpenAPI document and docs/errors.md.

python -m app.apidoc.error_codes > docs/errors.md
"""

import inspect
import sys
from collections.abc import Iterable
from typing import Final

from app.apidoc.field_codes import FIELDS, RESPONSES
from app.http import errors as http_errors
from models import conflicts, errors
from models.errors import TrimindError

Code = type[TrimindError]

# Every class that has a code of its own, which the base classes have not.
CODES: Final = sorted(
    {
        kind
        for module in (errors, conflicts, http_errors)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, TrimindError) and kind.advice
    },
    key=lambda kind: (kind.status or 0, kind.code),
)
OF_CALLS: Final = [kind for kind in CODES if kind.status]
OF_JOBS: Final = sorted((kind for kind in CODES if kind.on_receipt), key=lambda kind: kind.code)
OF_WORKERS: Final = [kind for kind in CODES if not kind.status and not kind.on_receipt]

_INTRODUCTION: Final = """\
# Error codes

A failed call is answered with `application/problem+json` (RFC 9457). Its `code` is stable and meant
for programs; `detail` is meant for people and may change. The server log has the `request_id` too.
A failed job is not a failed call: reading it is a 200, and its `error` has a `code` of its own.

This page is generated: `python -m app.apidoc.error_codes > docs/errors.md`.
"""


def tables() -> str:
    """The codes that clients meet, as Markdown."""
    return f"""\
## Codes of a failed call

{_table(("status", "code", "meaning", "what to do"), map(_with_status, OF_CALLS))}

## Codes in a job's `error`

{_table(("code", "meaning", "what to do"), map(_row, OF_JOBS))}

## Codes in `errors[]`, for one field

A code that is not listed here is pydantic's own name for the mistake.

{_table(("code", "meaning"), map(_field_row, FIELDS.items()))}

## Codes under /v1/responses

These calls fail in OpenAI's shape: `{{"error": {{"message", "type", "param", "code"}}}}`, as
`application/json`. An invalid parameter is a 400, not a 422, with one of these codes; every other
failure has its code from the first table.

{_table(("code", "meaning"), map(_field_row, RESPONSES.items()))}
"""


def page() -> str:
    """docs/errors.md."""
    inside = _table(("code", "meaning", "what to do"), map(_row, OF_WORKERS))
    return f"{_INTRODUCTION}\n{tables()}\n## Codes in the workers' log only\n\n{inside}\n"


def meaning(kind: Code) -> str:
    """What a code means: the first paragraph of its class's docstring, on one line."""
    return (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")


def _row(kind: Code) -> tuple[str, ...]:
    return (f"`{kind.code}`", meaning(kind), kind.advice)


def _with_status(kind: Code) -> tuple[str, ...]:
    return (str(kind.status), *_row(kind))


def _field_row(entry: tuple[str, str]) -> tuple[str, str]:
    code, what = entry
    return (f"`{code}`", what)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
