"""The options of calls."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal, TypedDict

from trimind.objects import DeliveryStatus, EventType, JobStatus, OnBusy, Priority, Scope


class CreateOptions(TypedDict, total=False):
    """`idempotency_key`: two calls with the same key create one thing. Each call has a new one
    unless it is given."""

    idempotency_key: str | None


class MergeOptions(CreateOptions, total=False):
    """`metadata`: up to 16 strings of your own. `deadline_s`: seconds until it is abandoned."""

    metadata: Mapping[str, str] | None
    deadline_s: int | None


class MessageOptions(MergeOptions, total=False):
    """`conversation_id`: the conversation to continue; a new one if omitted. `model`: a model to
    use instead of the mind's route. `priority`: jobs that are `bulk` go after those that are
    `interactive` (the default). `webhook_url`: where its end is sent to."""

    conversation_id: str | None
    model: str | None
    priority: Priority | None
    webhook_url: str | None


class SubmitOptions(MessageOptions, total=False):
    """`mind`: the mind that answers; the server's default mind if omitted."""

    mind: str | None


class BroadcastOptions(MessageOptions, total=False):
    """`minds`: the minds that answer; all of them if omitted."""

    minds: list[str] | None


class ConversationOptions(CreateOptions, total=False):
    """`on_busy`: what to do with a message for a mind that is still answering an earlier one."""

    title: str | None
    on_busy: OnBusy


class ConversationChange(TypedDict, total=False):
    """What to change; a title of None removes it."""

    title: str | None
    on_busy: OnBusy


class PageOptions(TypedDict, total=False):
    """`limit`: up to 100; 20 if omitted. `after`: the `last_id` of the page before."""

    limit: int
    after: str | None


class JobFilters(PageOptions, total=False):
    """Only jobs with this status, or of this conversation."""

    status: JobStatus | None
    conversation_id: str | None


class CancelFilters(TypedDict, total=False):
    """Only jobs that match all of these, of which one at least is required.

    `before`: created before this time, by RFC 3339, as in 2026-01-31T09:30:00Z.
    """

    status: Literal["queued", "in_progress"]
    priority: Priority
    conversation_id: str
    broadcast_id: str
    before: str
    ids: list[str]


class BroadcastFilters(PageOptions, total=False):
    """Only broadcasts of this conversation."""

    conversation_id: str | None


class ConversationFilters(PageOptions, total=False):
    """`q`: only conversations whose title or messages contain this text."""

    q: str | None


class MessageFilters(PageOptions, total=False):
    """`order`: oldest first (`asc`, the default) or newest first (`desc`)."""

    order: Literal["asc", "desc"]


class UsageFilters(TypedDict, total=False):
    """`first_day`, `last_day`: in UTC; this month until today if omitted. `group_by`: how the rows
    are grouped; by day if omitted."""

    first_day: date | str | None
    last_day: date | str | None
    group_by: Sequence[Literal["day", "model", "mind"]] | None


class KeyOptions(CreateOptions, total=False):
    """`name`: a label. `scopes`: what the key may do; read and write if omitted. `expires_in_s`:
    how long it is valid; for ever if omitted."""

    name: str | None
    scopes: Sequence[Scope] | None
    expires_in_s: int | None


class KeyRotation(CreateOptions, total=False):
    """`overlap_s`: how long the old key is still valid; an hour if omitted. `expires_in_s`: how
    long the new one is; as long as the old one was to be if omitted."""

    overlap_s: int | None
    expires_in_s: int | None


class WebhookOptions(TypedDict, total=False):
    """`url`: where events are sent; omit it for the webhook that signs what is sent to the
    `webhook_url` of jobs. `events`: all if omitted."""

    url: str | None
    events: Sequence[EventType] | None


class WebhookChange(TypedDict, total=False):
    """What to change."""

    url: str
    events: Sequence[EventType]
    enabled: bool


class SecretRotation(TypedDict, total=False):
    """`overlap_s`: how long the old secret signs too; a day if omitted."""

    overlap_s: int


class DeliveryFilters(PageOptions, total=False):
    """Only deliveries with this status."""

    status: DeliveryStatus | None
