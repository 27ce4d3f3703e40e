"""The errors that only HTTP knows; the others are in `models/errors.py` and `conflicts.py`."""

from typing import Final

from models.conflicts import JobCompleted, JobExpired, JobFailed
from models.errors import PermanentError, TransientError

# Why a job can't be cancelled, by its status.
CANCELLED_TOO_LATE: Final = {"completed": JobCompleted, "failed": JobFailed, "expired": JobExpired}


class BadRequest(PermanentError):
    """The HTTP request is malformed."""

    code = "bad_request"
    status = 400
    advice = "Fix the request."


class MalformedJson(PermanentError):
    """The body is not valid JSON in UTF-8."""

    code = "malformed_json"
    status = 400
    advice = "Fix the body."


class InvalidHeader(PermanentError):
    """A header is malformed; `errors[0].field` names it."""

    code = "invalid_header"
    status = 400
    advice = "Fix the header or omit it."


class InvalidUser(PermanentError):
    """The service named no user, or not by 1 to 255 visible ASCII characters."""

    code = "invalid_user"
    status = 400
    advice = "Send a valid `X-Trimind-User`."


class InvalidSignature(PermanentError):
    """The event is not signed with the secret that it must be signed with, or not within the last
    five minutes."""

    code = "invalid_signature"
    status = 401
    advice = "Compare the endpoint's signing secret, and the clocks."


class StreamTokenExpired(PermanentError):
    """The stream token in the URL has expired."""

    code = "stream_token_expired"
    status = 401
    advice = "Get another from `POST /v1/jobs/{id}/stream-token`, and reconnect."


class InsufficientScope(PermanentError):
    """The API key lacks the scope that the call requires; `detail` names it."""

    code = "insufficient_scope"
    status = 403
    advice = "Use a key with that scope."


class CsrfFailed(PermanentError):
    """A signed-in browser sent the request without the CSRF token of its session, or for another
    site's page."""

    code = "csrf_failed"
    status = 403
    advice = "Send `X-CSRF-Token` with the token from `GET /v1/session`."


class MethodNotAllowed(PermanentError):
    """The path exists, but does not support this method."""

    code = "method_not_allowed"
    status = 405
    advice = "Use a method that the header `Allow` lists."


class RequestTimeout(PermanentError):
    """The request or its body did not arrive in time."""

    code = "request_timeout"
    status = 408
    advice = "Send it again, without pauses."


class IdempotencyInProgress(TransientError):
    """The first request with this `Idempotency-Key` is still being processed."""

    code = "idempotency_in_progress"
    status = 409
    advice = "Send the same request again after `Retry-After` seconds."


class BodyTooLarge(PermanentError):
    """The body is larger than the longest message allowed."""

    code = "body_too_large"
    status = 413
    advice = "Shorten it."


class UriTooLong(PermanentError):
    """The URL is longer than 8,190 bytes."""

    code = "uri_too_long"
    status = 414
    advice = "Shorten it."


class UnsupportedMediaType(PermanentError):
    """The body is not declared as JSON."""

    code = "unsupported_media_type"
    status = 415
    advice = "Send `Content-Type: application/json`."


class IdempotencyKeyReused(PermanentError):
    """The `Idempotency-Key` was used before, for another call or another body."""

    code = "idempotency_key_reused"
    status = 422
    advice = "Use a new key for a new request."


class TooManyWrongKeys(TransientError):
    """The key is wrong, and too many wrong ones came from the client's address within a minute. A
    right one is still accepted."""

    code = "too_many_wrong_keys"
    status = 429
    advice = "Use a valid key; or try again after `Retry-After` seconds."


class TooManyRequests(TransientError):
    """The user has sent as many requests as are allowed within a minute."""

    code = "too_many_requests"
    status = 429
    advice = "Send it again after `Retry-After` seconds. `RateLimit` says what is left."


class TooManyJobs(TransientError):
    """The user has as many unfinished jobs as are allowed."""

    code = "too_many_jobs"
    status = 429
    advice = "Submit again once some have ended, or cancel some."


class TooManyStreamsOfYours(TransientError):
    """The user has as many open streams and waits as one user may have at this process."""

    code = "too_many_streams_of_yours"
    status = 429
    advice = "Close a stream, then connect after `Retry-After` seconds; or poll the job."


class TooManySearchesOfYours(TransientError):
    """The user's earlier searches (`q`) are still running."""

    code = "too_many_searches_of_yours"
    status = 429
    advice = "Search again after `Retry-After` seconds."


class HeadersTooLarge(PermanentError):
    """A header is longer than 8,190 bytes, there are more than 100, or together they exceed
    64 KiB."""

    code = "headers_too_large"
    status = 431
    advice = "Send fewer or shorter headers."


class IssuerUnavailable(TransientError):
    """The JWT can't be verified: the issuer's keys can't be fetched, and none are known."""

    code = "issuer_unavailable"
    status = 503
    advice = "Send the same request again after `Retry-After` seconds."


class TooManyBodies(TransientError):
    """This process is receiving too many request bodies."""

    code = "too_many_bodies"
    status = 503
    advice = "Send the same request again after `Retry-After` seconds."


class TooManyStreams(TransientError):
    """This process has as many open streams as it allows."""

    code = "too_many_streams"
    status = 503
    advice = "Connect again after `Retry-After` seconds, or poll the job."


class TooManySearches(TransientError):
    """This process is running as many searches (`q`) as it allows."""

    code = "too_many_searches"
    status = 503
    advice = "Search again after `Retry-After` seconds."


class ResponseUnfinished(TransientError):
    """The response did not end within `RESPONSE_HOLD_S`, or this process is shutting down; the
    response continues. If white space was sent before, the status is 200, and the body's `error`
    has this code."""

    code = "response_unfinished"
    status = 504
    advice = "Read the response that the message names, or send the same request again."
