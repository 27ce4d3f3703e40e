"""HTTP as every call has it: problems, validation, bodies, log lines, idempotency."""
