"""A small client of Trimind's API: submit a message, follow its job. Requires only httpx."""

from trimind.client import Client
from trimind.errors import ApiError, TrimindClientError, Unreachable
from trimind.events import Event
from trimind.jobs import FINISHED, Job

__all__ = ["FINISHED", "ApiError", "Client", "Event", "Job", "TrimindClientError", "Unreachable"]
