"""Failures and their codes: one class is one stable code, and all that is known about it.

The first paragraph of its docstring is the meaning, `advice` what a client can do: docs/errors.md
and the OpenAPI document publish both. `status` is the HTTP status of a call that fails with it, if
any can; `on_receipt` says that a job's `error` or receipt can show it. What the state of a resource
forbids (409) is in `models/conflicts.py`; the codes that only HTTP knows are in
`app/http/errors.py`.

Every class passes all its arguments to `Exception`, so that it keeps its type through pickle.
"""

from decimal import Decimal
from typing import ClassVar, Final

NOTHING_USD: Final = Decimal(0)


class TrimindError(Exception):
    """The base of all failures with a code; its message is for people."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int | None] = None
    advice: ClassVar[str] = ""
    on_receipt: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class PermanentError(TrimindError):
    """Trying again changes nothing."""


class TransientError(TrimindError):
    """Trying again may help; `retry_after` is in seconds, if the other side named it."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        Exception.__init__(self, message, retry_after)
        self.message = message
        self.retry_after = retry_after


class Conflict(PermanentError):
    """The call can't be made in the present state of the resource."""

    status = 409


# --- the caller's


class InvalidRequest(PermanentError):
    """One or more fields are invalid; `errors` lists each one and what is wrong with it.

    `field` is a dotted path.
    """

    code = "invalid_request"
    status = 422
    advice = "Fix the fields."

    def __init__(self, message: str, field: str) -> None:
        Exception.__init__(self, message, field)
        self.message = message
        self.field = field


class Unauthorized(PermanentError):
    """The API key is missing, unknown, revoked or expired, the JWT is invalid, or the browser's
    session has ended."""

    code = "unauthorized"
    status = 401
    advice = "Send `Authorization: Bearer` with a valid key or JWT, or sign in again."


class BudgetExceeded(PermanentError):
    """The job may cost more than is left of the user's budget of this month; the message says what
    is left. Unfinished jobs reserve what they may cost at most. An accepted job fails with it if
    failed calls were billed, and another call can't be paid for.

    Args:
        limit_usd: the budget.
        left_usd: what is left of it.
        resets_in_s: the seconds until the next month begins.
        retry_after: the seconds after which so much may be left; None: never.
    """

    code = "budget_exceeded"
    status = 402
    on_receipt = True
    advice = (
        "Wait for unfinished jobs to end, send a shorter message, or ask the operator. `RateLimit` "
        "says what is left, in millionths of a dollar; `Retry-After` is missing if so much can "
        "never be left."
    )

    def __init__(
        self,
        message: str,
        limit_usd: Decimal = NOTHING_USD,
        left_usd: Decimal = NOTHING_USD,
        resets_in_s: float = 0.0,
        retry_after: float | None = None,
    ) -> None:
        Exception.__init__(self, message, limit_usd, left_usd, resets_in_s, retry_after)
        self.message = message
        self.limit_usd, self.left_usd = limit_usd, left_usd
        self.resets_in_s, self.retry_after = resets_in_s, retry_after


class NotFound(PermanentError):
    """The resource does not exist, or belongs to another user."""

    code = "not_found"
    status = 404
    advice = "Check the path and the id."


class SearchTimedOut(TransientError):
    """The search (`q`) took longer than 2 seconds."""

    code = "search_timeout"
    status = 503
    advice = "Search for something more frequent or more recent, or try again later."


class ContextTooLong(PermanentError):
    """The message exceeds the context of every model on the route; the error names the limit."""

    code = "context_too_long"
    on_receipt = True
    advice = "Shorten the message."


class DeadlineExceeded(PermanentError):
    """The job did not end by its deadline. One that never started is `expired`, else `failed`."""

    code = "deadline_exceeded"
    on_receipt = True
    advice = "Submit the message again with a later `deadline_s`."


# --- the provider's


class ProviderRejected(PermanentError):
    """The provider rejected the request: its content or its form."""

    code = "provider_rejected"
    on_receipt = True
    advice = "Read the error's message and change the request."


class ProviderUnavailable(TransientError):
    """The provider was unreachable, answered 5xx or broke off, on every attempt."""

    code = "provider_unavailable"
    on_receipt = True
    advice = "Submit the message again later."


class RateLimited(TransientError):
    """The provider answered 429 on every attempt."""

    code = "rate_limited"
    on_receipt = True
    advice = "Submit the message again later."


class UnusableAnswer(TransientError):
    """The provider's answer can't be used: it has no text, or does not follow its protocol."""

    code = "unusable_answer"
    on_receipt = True
    advice = "Submit the message again; if it happens again, notify the operator."


class CircuitOpen(TransientError):
    """A circuit breaker was open, so the call was not made. Only in a receipt's `tried`: a job
    waits for a breaker until its deadline.

    `retry_after` says when the breaker lets a probe through.
    """

    code = "circuit_open"
    on_receipt = True
    advice = "Nothing: another model answered."


# --- the operator's


class ProviderMisconfigured(TransientError):
    """The provider does not accept this installation's configuration: a wrong key, no credit, an
    unknown model; the message says what to check. The job fails at once only if its caller chose a
    model whose account has no credit.

    `variable` names the setting to check. `no_credit`: every call fails until the account is paid.
    """

    code = "provider_misconfigured"
    on_receipt = True
    advice = "Notify the operator."

    def __init__(
        self,
        message: str,
        retry_after: float | None = None,
        variable: str | None = None,
        no_credit: bool = False,
    ) -> None:
        super().__init__(message, retry_after)
        self.args = (message, retry_after, variable, no_credit)
        self.variable = variable
        self.no_credit = no_credit


class NoModel(PermanentError):
    """No model on the route has a provider key on this installation."""

    code = "no_model"
    on_receipt = True
    advice = "Notify the operator: a provider key is missing."


class PricesUnknown(TransientError):
    """The user has a budget, and no worker has stored yet what the models cost. Workers do when
    they start."""

    code = "prices_unknown"
    status = 503
    advice = "Retry after `Retry-After` seconds."


class DatabaseUnavailable(TransientError):
    """PostgreSQL is unreachable or has no free connection; for a job, on every attempt."""

    code = "database_unavailable"
    status = 503
    on_receipt = True
    advice = (
        "Retry after `Retry-After` seconds with the same `Idempotency-Key`, since a connection may "
        "break after the commit. Submit a failed job's message again later."
    )


# --- ours


class Internal(TrimindError):
    """An unexpected error."""

    code = "internal"
    status = 500
    on_receipt = True
    advice = "Report the `request_id` or the job's id: the server log has the details."


class Poison(PermanentError):
    """The job's worker died or was given up for dead five times."""

    code = "poison"
    on_receipt = True
    advice = "Do not submit it again; report the job's id."


class Superseded(PermanentError):
    """Another run owns the stage, or the job has ended: this run's work is dropped."""

    code = "superseded"
    advice = "Nothing."
