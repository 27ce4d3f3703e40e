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
    Event,
    Job,
    Message,
    Mind,
    Page,
    Stage,
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
    "Event",
    "FieldError",
    "InvalidWebhook",
    "Job",
    "Message",
    "Mind",
    "Page",
    "Stage",
    "TimedOut",
    "TrimindClientError",
    "UnexpectedAnswer",
    "Unreachable",
    "verify_webhook",
]
