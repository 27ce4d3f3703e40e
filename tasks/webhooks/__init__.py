"""Events of the outbox, sent to webhooks."""
