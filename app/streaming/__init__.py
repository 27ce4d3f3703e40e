"""Answers that go on while a job does: event streams and waits, on the server's event loop."""
