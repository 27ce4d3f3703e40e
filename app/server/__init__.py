"""Serve the application from an event loop: no thread is given to a client that is still sending,
nor to one that does not take its answer."""

from config.logging import begin_logging

begin_logging("web")  # in each of WEB_CONCURRENCY's processes, before it imports the rest
