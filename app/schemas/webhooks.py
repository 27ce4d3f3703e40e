"""Request and response bodies of webhooks and their deliveries."""

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.schemas.examples import BEGAN, ENDED, ULID, page_of
from app.schemas.lists import Identified, Page, PageQuery
from app.schemas.numbers import WHOLE
from app.schemas.paths import id_of
from app.schemas.times import timestamp, timestamp_or_none
from app.schemas.webhook_url import URL, WebhookUrl
from models.webhook_deliveries import WebhookDelivery
from models.webhooks import Webhook, shown_secret

OVERLAP_S: Final = 86_400
OVERLAP_MAX_S: Final = 604_800
WEBHOOK: Final[dict[str, Any]] = {
    "id": f"hook_{ULID}",
    "object": "webhook",
    "url": URL,
    "events": ["job.completed", "job.failed", "job.cancelled", "job.expired"],
    "enabled": True,
    "disabled_at": None,
    "disabled_reason": None,
    "previous_secret_until": None,
    "created_at": BEGAN,
}
DELIVERY: Final[dict[str, Any]] = {
    "id": f"evt_{ULID}",
    "object": "webhook.delivery",
    "type": "job.completed",
    "status": "delivered",
    "job_id": f"job_{ULID}",
    "url": URL,
    "data": {
        "id": f"job_{ULID}",
        "status": "completed",
        "conversation_id": f"conv_{ULID}",
        "broadcast_id": None,
    },
    "attempts": [{"at": ENDED, "status_code": 204, "error": None, "ms": 45}],
    "next_attempt_at": None,
    "created_at": ENDED,
}

EventType = Literal["job.completed", "job.failed", "job.cancelled", "job.expired"]
EVERY: Final[list[EventType]] = list(get_args(EventType))


def _check_distinct(events: list[EventType]) -> list[EventType]:
    if len(set(events)) < len(events):
        raise PydanticCustomError("repeated", "must not repeat an event")
    return events


def _without_default(schema: dict[str, Any]) -> None:
    """A default only says that the field was not sent."""
    schema.pop("default", None)


def _describe_events(schema: dict[str, Any]) -> None:
    _without_default(schema)
    schema["uniqueItems"] = True


Events = Annotated[
    list[EventType],
    Field(min_length=1, max_length=len(EVERY), json_schema_extra=_describe_events),
    AfterValidator(_check_distinct),
]
ABOUT_URL: Final = (
    "An `https://` URL of a public address. It gets a POST for each event, and must answer 2xx "
    "within 15 seconds; redirects are not followed."
)


class NewWebhook(BaseModel):
    """A webhook to create."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"url": URL}},
        openapi_extra={"required": False},  # type: ignore[typeddict-unknown-key]
    )

    url: WebhookUrl | None = Field(
        None,
        description=f"{ABOUT_URL} Omit it for the one webhook whose secret signs what is sent to "
        "the `webhook_url` of your jobs.",
    )
    events: Events = Field(
        EVERY,
        description="The events to send. Defaults to all.",
    )


class WebhookChange(BaseModel):
    """The fields to change; at least one is required."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"enabled": True}, "minProperties": 1},
    )

    url: WebhookUrl = Field("", description=ABOUT_URL)
    events: Events = Field(EVERY, description="The events to send.")
    enabled: bool = Field(
        True,
        description="Whether to send events. Those that occur while it is disabled are not sent "
        "later, and unfinished deliveries fail.",
        json_schema_extra=_without_default,
    )

    @model_validator(mode="after")
    def _changes_something(self) -> "WebhookChange":
        if not self.model_fields_set:
            raise PydanticCustomError("nothing_to_change", "must set at least one field")
        return self


class Rotation(BaseModel):
    """How to rotate a secret."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"overlap_s": 3600}},
        openapi_extra={"required": False},  # type: ignore[typeddict-unknown-key]
    )

    overlap_s: Annotated[int, Field(ge=0, le=OVERLAP_MAX_S), WHOLE] = Field(
        OVERLAP_S,
        description="For so many seconds, events are signed with the old secret as well.",
    )


class DeliveryQuery(PageQuery):
    """Filters for listing deliveries."""

    status: Literal["pending", "delivered", "failed"] | None = Field(
        None, description="Only deliveries with this status."
    )


class WebhookPath(BaseModel):
    """The path of a webhook."""

    webhook_id: str = id_of("hook", "The webhook's id.")


class DeliveryPath(WebhookPath):
    """The path of a delivery of a webhook."""

    event_id: str = id_of("evt", "The event's id.")


class WebhookBody(Identified):
    """A webhook. Its secret is shown when it is created, and when it is rotated, only."""

    model_config = ConfigDict(json_schema_extra={"example": WEBHOOK})

    id: str
    object: Literal["webhook"] = "webhook"
    url: str | None = Field(
        description="Where events are sent; null: to the `webhook_url` of your jobs."
    )
    events: list[EventType] = Field(description="The events that are sent.")
    enabled: bool = Field(description="Whether events are sent.")
    disabled_at: str | None = Field(description="When it was disabled; null while it is enabled.")
    disabled_reason: Literal["disabled", "gone", "failing"] | None = Field(
        description="`disabled` by you; `gone`: the receiver answered 410; `failing`: nothing was "
        "delivered for days."
    )
    previous_secret_until: str | None = Field(
        description="Until when events are also signed with the secret before the last rotation."
    )
    created_at: str


class SecretWebhookBody(WebhookBody):
    """A webhook with its new secret, which can't be read again."""

    model_config = ConfigDict(json_schema_extra={"example": WEBHOOK | {"secret": "whsec_…"}})

    secret: str = Field(description="The secret to verify signatures with.")


class WebhookPage(Page[WebhookBody]):
    """A page of webhooks, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": page_of(WEBHOOK)})


class AttemptBody(BaseModel):
    """An attempt to send an event."""

    at: str = Field(description="When it ended.")
    status_code: int | None = Field(description="The receiver's status; null if there was none.")
    error: (
        Literal[
            "refused",
            "redirected",
            "timeout",
            "connection_failed",
            "unresolvable",
            "private_address",
            "refused_by_proxy",
            "bad_response",
            "secret_unreadable",
        ]
        | None
    ) = Field(
        description="Why it failed; null if it succeeded. `redirected`: redirects are not "
        "followed, so change the webhook's `url` to where it leads. `secret_unreadable`: the "
        "installation has lost the key of the webhook's secret; rotate the secret."
    )
    ms: int = Field(description="How long it took, in milliseconds.")


class DeliveryBody(Identified):
    """An event and what has become of it."""

    model_config = ConfigDict(json_schema_extra={"example": DELIVERY})

    id: str = Field(description="The event's id, which is the header `webhook-id`.")
    object: Literal["webhook.delivery"] = "webhook.delivery"
    type: str = Field(description="Such as `job.completed`; `webhook.test` for a test.")
    status: Literal["pending", "delivered", "failed"] = Field(
        description="`pending` until it is delivered, or has failed for 72 hours."
    )
    job_id: str | None = Field(description="The job that ended; null for a test.")
    url: str | None = Field(description="The job's `webhook_url`; null: the webhook's `url`.")
    data: dict[str, Any] = Field(description="The `data` of the event's body.")
    attempts: list[AttemptBody] = Field(description="The last 20 attempts, oldest first.")
    next_attempt_at: str | None = Field(description="When it is tried again; null: never.")
    created_at: str


class DeliveryPage(Page[DeliveryBody]):
    """A page of deliveries, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": page_of(DELIVERY)})


def webhook_body(webhook: Webhook) -> WebhookBody:
    """Return a webhook's response body."""
    return WebhookBody(**_fields(webhook))


def secret_body(webhook: Webhook) -> SecretWebhookBody:
    """Return a webhook's response body with its secret."""
    return SecretWebhookBody(**_fields(webhook), secret=shown_secret(webhook))


def delivery_body(delivery: WebhookDelivery) -> DeliveryBody:
    """Return a delivery's response body."""
    return DeliveryBody(
        id=delivery.event_id,
        type=delivery.type,
        status=delivery.status,
        job_id=delivery.job_id,
        url=delivery.url,
        data=delivery.data,
        attempts=[AttemptBody(**entry) for entry in delivery.log],
        next_attempt_at=timestamp_or_none(delivery.next_attempt_at),
        created_at=timestamp(delivery.created_at),
    )


def _fields(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": webhook.events,
        "enabled": webhook.disabled_at is None,
        "disabled_at": timestamp_or_none(webhook.disabled_at),
        "disabled_reason": webhook.disabled_reason,
        "previous_secret_until": timestamp_or_none(webhook.previous_until),
        "created_at": timestamp(webhook.created_at),
    }
