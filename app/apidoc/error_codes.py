"""Every code that a client may meet, what it means and what to do: the one place that knows.

The OpenAPI document shows these tables, and docs/errors.md is made of them:

    python -m app.apidoc.error_codes > docs/errors.md
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from app.apidoc.field_codes import FIELDS, RESPONSES


@dataclass(frozen=True)
class ErrorCode:
    """A code of a problem, by its HTTP status; or of a job's `error`, which has none."""

    code: str
    meaning: str
    advice: str
    status: int | None = None


PROBLEMS: Final = (
    ErrorCode("bad_request", "HTTP itself was not understood.", "Mend the request.", 400),
    ErrorCode("malformed_json", "The body is no JSON in UTF-8.", "Mend the body.", 400),
    ErrorCode(
        "invalid_header",
        "A header can't be meant; `errors[0].field` names it.",
        "Mend the header, or leave it out.",
        400,
    ),
    ErrorCode(
        "invalid_user",
        "A service named no user, or not by 1 to 255 visible ASCII characters.",
        "Send `X-Trimind-User`.",
        400,
    ),
    ErrorCode(
        "unauthorized",
        "No key came along, or one that is unknown or revoked.",
        "Send `Authorization: Bearer` and a valid key.",
        401,
    ),
    ErrorCode(
        "not_found",
        "There is no such thing, or it is another user's.",
        "Check the path and the id.",
        404,
    ),
    ErrorCode(
        "method_not_allowed",
        "The path is known, the method is not.",
        "See the header `Allow`.",
        405,
    ),
    ErrorCode(
        "job_completed",
        "The job can't be cancelled or retried: it, or another one of its message, is completed.",
        "Read it.",
        409,
    ),
    ErrorCode(
        "job_in_progress",
        "The job can't be retried: it, or another one of its message, has not ended.",
        "Wait for it, or cancel it first.",
        409,
    ),
    ErrorCode(
        "conversation_gone",
        "The job can't be retried: its conversation was deleted, and its message with it.",
        "Submit the message again.",
        409,
    ),
    ErrorCode(
        "conversation_busy",
        "The conversation takes no message while a job for the same mind has not ended: its "
        "`on_busy` is `reject`.",
        "Wait for the job, or cancel it first.",
        409,
    ),
    ErrorCode("job_failed", "The job can't be cancelled: it has failed.", "Read its `error`.", 409),
    ErrorCode(
        "job_expired",
        "The job can't be cancelled: it was not started by its deadline.",
        "Submit it again.",
        409,
    ),
    ErrorCode(
        "broadcast_ended",
        "The broadcast can't be cancelled: all of its jobs have ended.",
        "Read its `jobs`.",
        409,
    ),
    ErrorCode(
        "broadcast_in_progress",
        "The broadcast's answers can't be merged yet: a mind is still at work.",
        "Merge when `status` is `completed` or `partial`.",
        409,
    ),
    ErrorCode(
        "nothing_to_merge",
        "The broadcast has ended without an answer.",
        "Send the message again.",
        409,
    ),
    ErrorCode(
        "merge_in_progress",
        "The broadcast's answers are being merged already.",
        "Wait for its `merge`, or cancel it.",
        409,
    ),
    ErrorCode(
        "idempotency_in_progress",
        "The first request with this `Idempotency-Key` is still being answered.",
        "Send the same again after `Retry-After` seconds.",
        409,
    ),
    ErrorCode(
        "request_timeout",
        "The request, or its body, did not come in time.",
        "Send the same again, in one go.",
        408,
    ),
    ErrorCode("uri_too_long", "The address is longer than 8,190 bytes.", "Shorten it.", 414),
    ErrorCode(
        "headers_too_large",
        "A header is longer than 8,190 bytes, there are more than 100, or all have over 64 KiB.",
        "Send fewer and shorter headers.",
        431,
    ),
    ErrorCode(
        "too_many_streams_of_yours",
        "This user has half of all streams that may be open on this process.",
        "End a stream, then connect after `Retry-After` seconds; or poll the job.",
        429,
    ),
    ErrorCode(
        "too_many_searches_of_yours",
        "This user's earlier searches (`q`) are still running.",
        "Search again after `Retry-After` seconds.",
        429,
    ),
    ErrorCode(
        "too_many_bodies",
        "Too many bodies are on their way to this process.",
        "Send the same again after `Retry-After` seconds.",
        503,
    ),
    ErrorCode("body_too_large", "The body is larger than any message may be.", "Shorten it.", 413),
    ErrorCode(
        "unsupported_media_type",
        "The body is not declared as JSON.",
        "Send `Content-Type: application/json`.",
        415,
    ),
    ErrorCode(
        "invalid_request",
        "A field is wrong; `errors` names each one and what is wrong with it.",
        "Mend the fields.",
        422,
    ),
    ErrorCode(
        "idempotency_key_reused",
        "The `Idempotency-Key` was sent before, with another call or another body.",
        "Use a new key for a new request.",
        422,
    ),
    ErrorCode(
        "internal",
        "Something went wrong here that nobody foresaw.",
        "Report the `request_id`: the log has the details.",
        500,
    ),
    ErrorCode(
        "too_many_streams",
        "As many streams are open on this process as may be.",
        "Connect again after `Retry-After` seconds, or poll the job.",
        503,
    ),
    ErrorCode(
        "too_many_searches",
        "Too many searches (`q`) are running on this process.",
        "Search again after `Retry-After` seconds.",
        503,
    ),
    ErrorCode(
        "search_timeout",
        "The search (`q`) took longer than 2 seconds.",
        "Search for something that was said more often or more recently, or try again later.",
        503,
    ),
    ErrorCode(
        "database_unavailable",
        "PostgreSQL can't be reached, or no connection was free.",
        "Send the same again after `Retry-After` seconds; with the same `Idempotency-Key`, since a "
        "connection may break after the commit.",
        503,
    ),
    ErrorCode(
        "response_unfinished",
        "A response was waited for as long as may be, or this process ends. It goes on. Where "
        "white space was sent before, the status is 200, and the `error` says this.",
        "Read the response that the message names, or send the same again.",
        504,
    ),
)

OF_A_JOB: Final = (
    ErrorCode(
        "context_too_long",
        "The message fits none of the route's models; the message names the limit.",
        "Shorten it.",
    ),
    ErrorCode(
        "provider_rejected",
        "A provider refuses what was asked: its content, or its form.",
        "Read the job's message, and change the request.",
    ),
    ErrorCode(
        "provider_unavailable",
        "All models of the route failed, as often as the stage's policy tries.",
        "Submit it again later.",
    ),
    ErrorCode(
        "unusable_answer",
        "A provider answered, and nothing could be made of it: no text, or not in its protocol.",
        "Submit it again; if that repeats, tell the operator.",
    ),
    ErrorCode(
        "provider_misconfigured",
        "A provider does not serve this installation as it is set up; the message says what to "
        "check. The job fails at once only where its caller chose a model whose account can't pay.",
        "Tell the operator.",
    ),
    ErrorCode(
        "rate_limited",
        "The providers answered 429 as often as the stage's policy tries.",
        "Submit it again later.",
    ),
    ErrorCode(
        "circuit_open",
        "A breaker was open, so that a call was not made. Only in a receipt's `tried`: a job waits "
        "for a breaker until its deadline.",
        "Nothing; another model answered.",
    ),
    ErrorCode(
        "no_model",
        "The route has no model that has a key here.",
        "Tell the operator: a provider's key is missing.",
    ),
    ErrorCode(
        "database_unavailable",
        "PostgreSQL failed as often as the stage's policy tries.",
        "Submit it again later.",
    ),
    ErrorCode(
        "deadline_exceeded",
        "The job did not end by its deadline. One that never started is `expired`, else `failed`.",
        "Submit it again, with a later `deadline_s`.",
    ),
    ErrorCode(
        "poison",
        "The workers that took the job died of it, or were given up for dead, five times.",
        "Do not submit it again; report the job's id.",
    ),
    ErrorCode(
        "internal",
        "Something went wrong that nobody foresaw.",
        "Report the job's id: the log has the details.",
    ),
)

UNSEEN: Final = (
    ErrorCode(
        "superseded",
        "A worker's run is not the job's run any more: its work is dropped.",
        "Nothing.",
    ),
    ErrorCode("job_failed", "A task shows that its job has failed.", "Read the job's `error`."),
)

_INTRODUCTION: Final = """\
# Error codes

A failed call is `application/problem+json` (RFC 9457). Programs read its `code`, which is stable;
`detail` is for people and may change. `request_id` is in the log as well. A job that failed is no
failed call: it is read with 200, and its `error` has a `code` of its own.

This page is made by `python -m app.apidoc.error_codes > docs/errors.md`.
"""


def tables() -> str:
    """The codes that clients meet, as Markdown."""
    return f"""\
## Codes of a failed call

{_table(("status", "code", "meaning", "what to do"), map(_with_status, PROBLEMS))}

## Codes in a job's `error`

{_table(("code", "meaning", "what to do"), map(_without_status, OF_A_JOB))}

## Codes in `errors[]`, for one field

A code that is not here is pydantic's own name of what is wrong.

{_table(("code", "meaning"), map(_coded, FIELDS.items()))}

## Codes under /v1/responses

These calls fail in OpenAI's shape: `{{"error": {{"message", "type", "param", "code"}}}}`, as
`application/json`. A wrong parameter is a 400, not a 422, and has one of these codes; every other
failure has its code from the first table.

{_table(("code", "meaning"), map(_coded, RESPONSES.items()))}
"""


def page() -> str:
    """docs/errors.md."""
    inside = _table(("code", "meaning", "what to do"), map(_without_status, UNSEEN))
    return f"{_INTRODUCTION}\n{tables()}\n## Codes in the workers' log only\n\n{inside}\n"


def _coded(entry: tuple[str, str]) -> tuple[str, str]:
    code, meaning = entry
    return (f"`{code}`", meaning)


def _with_status(error: ErrorCode) -> tuple[str, ...]:
    return (str(error.status), *_without_status(error))


def _without_status(error: ErrorCode) -> tuple[str, ...]:
    return (f"`{error.code}`", error.meaning, error.advice)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
