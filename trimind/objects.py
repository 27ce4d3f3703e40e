"""What the API returns, as plain dictionaries with types.

A newer server may send more fields than are named here; they are kept.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal, TypedDict, TypeVar

JobStatus = Literal["queued", "in_progress", "completed", "failed", "cancelled", "expired"]
BroadcastStatus = Literal["queued", "in_progress", "completed", "partial", "failed", "cancelled"]
OnBusy = Literal["enqueue", "reject", "interrupt"]
Priority = Literal["interactive", "bulk"]
Scope = Literal["jobs:read", "jobs:write", "admin"]
EventType = Literal["job.completed", "job.failed", "job.cancelled", "job.expired"]
DeliveryStatus = Literal["pending", "delivered", "failed"]

UNFINISHED: Final = ("queued", "in_progress")
FINISHED: Final = ("completed", "failed", "cancelled", "expired")

# One step of a job, a broadcast or a conversation: its `type`, and what belongs to it.
Event = dict[str, Any]
# A stage's name, status and duration, and what it decided.
Stage = dict[str, Any]

Item = TypeVar("Item")


class Route(TypedDict):
    """The model that answers, and why it was selected."""

    model: str | None
    reason: str | None
    fallbacks: list[str]


class JobError(TypedDict):
    """Why a job failed."""

    code: str
    message: str
    stage: str | None
    attempts: int | None


class Usage(TypedDict):
    """Tokens and US dollars, failed calls included."""

    input_tokens: int
    output_tokens: int
    tokens_saved: int
    cost_usd: str
    paid_duplicates: int


class Job(TypedDict):
    """A message on its way to its answer, with its receipt."""

    id: str
    status: JobStatus
    mind: str
    priority: Priority
    conversation_id: str | None
    message_id: str | None
    broadcast_id: str | None
    created_at: str
    started_at: str | None
    completed_at: str | None
    expires_at: str
    stages: list[Stage]
    route: Route | None
    output: str | None
    finish_reason: str | None
    error: JobError | None
    usage: Usage
    metadata: dict[str, str]


class Cancellation(TypedDict):
    """How many jobs a call has cancelled, and whether some that match are left."""

    cancelled: int
    has_more: bool


class Broadcast(TypedDict):
    """A message to several minds, with a job for each."""

    id: str
    status: BroadcastStatus
    message_id: str
    conversation_id: str
    created_at: str
    jobs: list[Job]
    merge: Job | None
    kept_job_id: str | None
    usage: Usage
    metadata: dict[str, str]


class Conversation(TypedDict):
    """A thread of messages."""

    id: str
    title: str | None
    on_busy: OnBusy
    created_at: str
    updated_at: str


class Message(TypedDict):
    """A message of the user or of a mind."""

    id: str
    conversation_id: str
    job_id: str | None
    role: Literal["user", "assistant"]
    mind: str | None
    content: str
    created_at: str


class Mind(TypedDict):
    """A named voice that answers."""

    id: str
    title: str


class UsageTotal(TypedDict):
    """What jobs have used; dollars as text, exact to the last digit."""

    jobs: int
    input_tokens: int
    output_tokens: int
    tokens_saved: int
    cost_usd: str
    saved_usd: str
    paid_duplicates: int


class UsageRow(UsageTotal):
    """What jobs have used that have this in common; None: they are not grouped by it."""

    day: str | None
    model: str | None
    mind: str | None


class Budget(TypedDict):
    """What the jobs of this month may cost, in US dollars."""

    limit_usd: str
    settled_usd: str
    reserved_usd: str
    left_usd: str
    resets_at: str


class UsageReport(TypedDict):
    """What jobs have used, and the budget of this month, if there is one."""

    first_day: str
    last_day: str
    group_by: list[str]
    data: list[UsageRow]
    total: UsageTotal
    budget: Budget | None


class Key(TypedDict):
    """An API key, without the key itself."""

    id: str
    name: str
    hint: str
    scopes: list[Scope]
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    replaced_by: str | None
    revoked_at: str | None


class CreatedKey(Key):
    """A new API key, with the key itself. It is None if the first response was lost: it is shown
    only once, so rotate the key."""

    key: str | None


class Webhook(TypedDict):
    """Where you are notified of the ends of jobs."""

    id: str
    url: str | None
    events: list[EventType]
    enabled: bool
    disabled_at: str | None
    disabled_reason: Literal["disabled", "gone", "failing"] | None
    previous_secret_until: str | None
    created_at: str


class SecretWebhook(Webhook):
    """A webhook with its new secret, which can't be read again."""

    secret: str


class Attempt(TypedDict):
    """An attempt to send an event; `error` says why it failed."""

    at: str
    status_code: int | None
    error: str | None
    ms: int


class Delivery(TypedDict):
    """An event for a webhook, and what has become of it."""

    id: str
    type: str
    status: DeliveryStatus
    job_id: str | None
    url: str | None
    data: dict[str, Any]
    attempts: list[Attempt]
    next_attempt_at: str | None
    created_at: str


class Page(list[Item]):
    """A page of a list. If `has_more`, the next one begins `after` the `last_id`."""

    def __init__(self, items: Iterable[Item], *, has_more: bool, last_id: str | None) -> None:
        super().__init__(items)
        self.has_more = has_more
        self.last_id = last_id
