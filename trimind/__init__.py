"""A small client of Trimind's API: submit a message, watch its job. It needs httpx and no more."""

from trimind.client import Client
from trimind.errors import ApiError, TrimindClientError, Unreachable
from trimind.jobs import FINISHED, Job

__all__ = ["FINISHED", "ApiError", "Client", "Job", "TrimindClientError", "Unreachable"]
