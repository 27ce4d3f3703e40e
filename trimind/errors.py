"""The client's errors."""

from dataclasses import dataclass


class TrimindClientError(Exception):
    """The base class of the client's errors; the message is for people."""


class Unreachable(TrimindClientError):
    """Nothing answers at the address, or the connection broke.

    `passing`: trying again may help.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class UnexpectedAnswer(TrimindClientError):
    """The answer is none of Trimind's, or larger than the client accepts."""


class TimedOut(TrimindClientError, TimeoutError):
    """What was waited for has not ended in time. It goes on."""


class InvalidWebhook(TrimindClientError):
    """A webhook is forged, too old, too new, or malformed."""


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field of a request; `field` is a dotted path, or a header's name."""

    field: str
    code: str
    message: str


class ApiError(TrimindClientError):
    """The API refused the call.

    Attributes:
        status: the HTTP status.
        code: a stable code for programs, as docs/errors.md lists them; `unknown` if something else
            than Trimind answered, such as a proxy.
        detail: a sentence for people.
        request_id: the request's id in the server's log; None if Trimind did not answer.
        errors: the invalid fields.
        retry_after: seconds after which to try again, if the server named them.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        request_id: str | None = None,
        errors: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(status, code, detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.errors = errors
        self.retry_after = retry_after

    @property
    def field(self) -> str | None:
        """The first invalid field, or None."""
        return self.errors[0].field if self.errors else None

    def __str__(self) -> str:
        return f"{self.detail} ({self.status} {self.code})"
