"""A client of Trimind's API: submit a message, follow its job. Requires only httpx."""

from trimind.async_client import AsyncClient
from trimind.client import Client
from trimind.errors import (
    ApiError,
    FieldError,
    InvalidWebhook,
    TimedOut,
    TrimindClientError,
    UnexpectedAnswer,
    Unreachable,
)
from trimind.objects import (
    FINISHED,
    Broadcast,
    Cancellation,
    Conversation,
    CreatedKey,
    Delivery,
    Event,
    Job,
    Key,
    Message,
    Mind,
    Page,
    SecretWebhook,
    Stage,
    UsageReport,
    Webhook,
)
from trimind.webhooks import verify_webhook

__all__ = [
    "FINISHED",
    "ApiError",
    "AsyncClient",
    "Broadcast",
    "Cancellation",
    "Client",
    "Conversation",
    "CreatedKey",
    "Delivery",
    "Event",
    "FieldError",
    "InvalidWebhook",
    "Job",
    "Key",
    "Message",
    "Mind",
    "Page",
    "SecretWebhook",
    "Stage",
    "TimedOut",
    "TrimindClientError",
    "UnexpectedAnswer",
    "Unreachable",
    "UsageReport",
    "Webhook",
    "verify_webhook",
]
