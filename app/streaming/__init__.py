"""Responses that stay open while a job runs: event streams and waits, on the event loop."""
