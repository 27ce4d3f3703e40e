"""Serves the application from an event loop: a client that is still sending, or slow to receive,
occupies no thread."""

from config.logging import begin_logging
from config.process import name_process

name_process("web")  # in each of WEB_CONCURRENCY's processes, before the other imports
begin_logging()
