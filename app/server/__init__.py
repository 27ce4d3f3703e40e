"""Serve the application from an event loop: no thread is given to a client that is still sending,
nor to one that does not take its answer."""

from config.logging import begin_logging
from config.process import name_process

name_process("web")  # in each of WEB_CONCURRENCY's processes, before it imports the rest
begin_logging()
