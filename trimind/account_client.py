"""The client's calls for usage, keys and webhooks."""

from typing import Unpack

from trimind import account, options
from trimind.connection import Connection
from trimind.objects import CreatedKey, Delivery, Key, Page, SecretWebhook, UsageReport, Webhook


class AccountClient(Connection):
    """What a user does beside jobs."""

    def usage(self, **which: Unpack[options.UsageFilters]) -> UsageReport:
        """What your jobs of some days have used and cost, and what is left of your budget."""
        return self._send(account.read_usage(**which))

    def create_key(self, **more: Unpack[options.KeyOptions]) -> CreatedKey:
        """Create an API key; it is shown only now."""
        return self._send(account.create_key(**more))

    def keys(self, **filters: Unpack[options.PageOptions]) -> Page[Key]:
        """A page of the API keys, newest first, with those that have ended."""
        return self._send(account.list_keys(**filters))

    def key(self, key_id: str) -> Key:
        """An API key, without the key itself."""
        return self._send(account.read_key(key_id))

    def rotate_key(self, key_id: str, **more: Unpack[options.KeyRotation]) -> CreatedKey:
        """Replace an API key by a new one, which is shown only now."""
        return self._send(account.rotate_key(key_id, **more))

    def revoke_key(self, key_id: str) -> None:
        """Revoke an API key."""
        return self._send(account.revoke_key(key_id))

    def create_webhook(self, **more: Unpack[options.WebhookOptions]) -> SecretWebhook:
        """Create a webhook; its secret is shown only now.

        It is not made again after a failure, since the first attempt may have created one.
        """
        return self._send(account.create_webhook(**more))

    def webhooks(self, **filters: Unpack[options.PageOptions]) -> Page[Webhook]:
        """A page of the webhooks, newest first."""
        return self._send(account.list_webhooks(**filters))

    def webhook(self, webhook_id: str) -> Webhook:
        """A webhook, without its secret."""
        return self._send(account.read_webhook(webhook_id))

    def change_webhook(self, webhook_id: str, **change: Unpack[options.WebhookChange]) -> Webhook:
        """Change a webhook's URL or events, or disable or enable it."""
        return self._send(account.change_webhook(webhook_id, **change))

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook with its log, and what it was still to be sent."""
        return self._send(account.delete_webhook(webhook_id))

    def rotate_webhook_secret(
        self, webhook_id: str, **more: Unpack[options.SecretRotation]
    ) -> SecretWebhook:
        """Replace the secret of a webhook; the new one is shown only now.

        It is not made again after a failure: a second rotation would end the secret that you use.
        """
        return self._send(account.rotate_webhook_secret(webhook_id, **more))

    def send_test_event(self, webhook_id: str) -> Delivery:
        """Send an event of the type `webhook.test`."""
        return self._send(account.send_test_event(webhook_id))

    def deliveries(
        self, webhook_id: str, **filters: Unpack[options.DeliveryFilters]
    ) -> Page[Delivery]:
        """A page of a webhook's events, newest first, with what became of them."""
        return self._send(account.list_deliveries(webhook_id, **filters))

    def delivery(self, webhook_id: str, event_id: str) -> Delivery:
        """An event of a webhook."""
        return self._send(account.read_delivery(webhook_id, event_id))

    def redeliver(self, webhook_id: str, event_id: str) -> Delivery:
        """Send an event again, with the same id."""
        return self._send(account.redeliver(webhook_id, event_id))
