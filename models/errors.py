"""The tree of errors. `code` is stable and documented; the message is for people.

Every class hands all its arguments to `Exception`, so that it keeps its type through pickle.
"""

from typing import ClassVar


class TrimindError(Exception):
    """The base of every failure that Trimind names."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class PermanentError(TrimindError):
    """Trying again changes nothing."""


class TransientError(TrimindError):
    """Trying again may help; `retry_after` is in seconds, where the other side named it."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        Exception.__init__(self, message, retry_after)
        self.message = message
        self.retry_after = retry_after


# --- what the other side does


class CircuitOpen(TransientError):
    """A breaker is open: the call was not made. `retry_after` says when it lets a probe through."""

    code = "circuit_open"


class RateLimited(TransientError):
    """A provider answered 429."""

    code = "rate_limited"


class ProviderUnavailable(TransientError):
    """A provider can't be reached, answers 5xx, or breaks off."""

    code = "provider_unavailable"


class UnusableAnswer(TransientError):
    """A provider answered, and nothing can be made of it."""

    code = "unusable_answer"


class ProviderMisconfigured(TransientError):
    """A provider does not serve us as it is set up: a wrong key, no credit, an unknown model.
    `variable` names what the operator has to look at; `no_credit`: nothing that waits will be
    served until somebody pays."""

    code = "provider_misconfigured"

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


class DatabaseUnavailable(TransientError):
    """PostgreSQL can't be reached."""

    code = "database_unavailable"


class SearchTimedOut(TransientError):
    """A search through a user's messages took longer than it may."""

    code = "search_timeout"


class ProviderRejected(PermanentError):
    """A provider refuses what was asked: its content, or its form."""

    code = "provider_rejected"


class ContextTooLong(PermanentError):
    """The message does not fit any model of the route."""

    code = "context_too_long"


class NoModel(PermanentError):
    """The route has no model that has a key here."""

    code = "no_model"


# --- what a caller asks for


class InvalidRequest(PermanentError):
    """What was sent can't be accepted; `field` names where."""

    code = "invalid_request"

    def __init__(self, message: str, field: str) -> None:
        Exception.__init__(self, message, field)
        self.message = message
        self.field = field


class Conflict(PermanentError):
    """What is asked for can't be done as things are now."""


class BroadcastInProgress(Conflict):
    """A sibling of the broadcast has not ended yet."""

    code = "broadcast_in_progress"


class NothingToMerge(Conflict):
    """None of the broadcast's siblings has answered."""

    code = "nothing_to_merge"


class MergeInProgress(Conflict):
    """The broadcast's answers are being merged already."""

    code = "merge_in_progress"


class NotFound(PermanentError):
    """There is no such thing, or it is another user's."""

    code = "not_found"


class ConversationBusy(Conflict):
    """A job of the track has not ended, and the conversation takes no other meanwhile."""

    code = "conversation_busy"


class ConversationGone(Conflict):
    """The job's conversation or message was deleted."""

    code = "conversation_gone"


class JobCompleted(Conflict):
    """The job is completed."""

    code = "job_completed"


class JobInProgress(Conflict):
    """The job has not ended."""

    code = "job_in_progress"


class Unauthorized(PermanentError):
    """No key, or a wrong one."""

    code = "unauthorized"


# --- what a worker meets


class Superseded(PermanentError):
    """Somebody else owns the stage or has ended the job: this run's work is dropped."""

    code = "superseded"


class JobFailed(PermanentError):
    """The job has ended as failed; raised last, so that the task shows as failed as well."""

    code = "job_failed"
