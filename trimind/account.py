"""The calls for usage, keys and webhooks."""

from typing import Final, Unpack, cast

from trimind import options
from trimind.call import Call, creating, deleting, listing, path_to, reader, without_none
from trimind.objects import (
    CreatedKey,
    Delivery,
    Key,
    Page,
    SecretWebhook,
    UsageReport,
    Webhook,
)
from trimind.replies import Reply

KEYS: Final = "/v1/keys"
WEBHOOKS: Final = "/v1/webhooks"
# The names of the query that are no names in Python, or less clear.
DAYS: Final = {"first_day": "from", "last_day": "to"}


def read_usage(**which: Unpack[options.UsageFilters]) -> Call[UsageReport]:
    """Read the usage of some days."""
    given = without_none(which)
    query = {DAYS[name]: str(given[name]) for name in DAYS if name in given}
    if "group_by" in given:
        query["group_by"] = ",".join(given["group_by"])
    return Call("GET", "/v1/usage", _usage, query=query)


def create_key(**more: Unpack[options.KeyOptions]) -> Call[CreatedKey]:
    """Create a key."""
    return creating(KEYS, CreatedKey, more)


def list_keys(**filters: Unpack[options.PageOptions]) -> Call[Page[Key]]:
    """List keys."""
    return listing(KEYS, filters)


def read_key(key_id: str) -> Call[Key]:
    """Read a key."""
    return Call("GET", path_to(KEYS, key_id), reader(Key))


def rotate_key(key_id: str, **more: Unpack[options.KeyRotation]) -> Call[CreatedKey]:
    """Rotate a key."""
    return creating(f"{path_to(KEYS, key_id)}/rotate", CreatedKey, more)


def revoke_key(key_id: str) -> Call[None]:
    """Revoke a key."""
    return deleting(path_to(KEYS, key_id))


def create_webhook(**more: Unpack[options.WebhookOptions]) -> Call[SecretWebhook]:
    """Create a webhook."""
    read, body = reader(SecretWebhook), without_none(more)
    return Call("POST", WEBHOOKS, read, body=body, repeatable=False)


def list_webhooks(**filters: Unpack[options.PageOptions]) -> Call[Page[Webhook]]:
    """List webhooks."""
    return listing(WEBHOOKS, filters)


def read_webhook(webhook_id: str) -> Call[Webhook]:
    """Read a webhook."""
    return Call("GET", path_to(WEBHOOKS, webhook_id), reader(Webhook))


def change_webhook(webhook_id: str, **change: Unpack[options.WebhookChange]) -> Call[Webhook]:
    """Change a webhook."""
    return Call("PATCH", path_to(WEBHOOKS, webhook_id), reader(Webhook), body={**change})


def delete_webhook(webhook_id: str) -> Call[None]:
    """Delete a webhook."""
    return deleting(path_to(WEBHOOKS, webhook_id))


def rotate_webhook_secret(
    webhook_id: str, **more: Unpack[options.SecretRotation]
) -> Call[SecretWebhook]:
    """Rotate the secret of a webhook. A second rotation would end the secret that signs while the
    first one is replaced."""
    path, read = f"{path_to(WEBHOOKS, webhook_id)}/rotate-secret", reader(SecretWebhook)
    return Call("POST", path, read, body={**more}, repeatable=False)


def send_test_event(webhook_id: str) -> Call[Delivery]:
    """Send a test event."""
    path = f"{path_to(WEBHOOKS, webhook_id)}/test"
    return Call("POST", path, reader(Delivery), repeatable=False)


def list_deliveries(
    webhook_id: str, **filters: Unpack[options.DeliveryFilters]
) -> Call[Page[Delivery]]:
    """List the deliveries of a webhook."""
    return listing(f"{path_to(WEBHOOKS, webhook_id)}/deliveries", filters)


def read_delivery(webhook_id: str, event_id: str) -> Call[Delivery]:
    """Read a delivery."""
    return Call("GET", _delivery_path(webhook_id, event_id), reader(Delivery))


def redeliver(webhook_id: str, event_id: str) -> Call[Delivery]:
    """Send an event again."""
    path = f"{_delivery_path(webhook_id, event_id)}/redeliver"
    return Call("POST", path, reader(Delivery), repeatable=False)


def _delivery_path(webhook_id: str, event_id: str) -> str:
    return path_to(f"{path_to(WEBHOOKS, webhook_id)}/deliveries", event_id)


def _usage(reply: Reply) -> UsageReport:
    return cast(UsageReport, reply.json())
