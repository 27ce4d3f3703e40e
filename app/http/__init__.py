"""Serve the application from an event loop: no thread is given to a client that is still sending,
nor to one that does not take its answer."""
