"""What all calls share: problems, validation, bodies, log lines, idempotency."""
