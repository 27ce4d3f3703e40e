"""Declarations of the OpenAI facade's responses for the OpenAPI document."""

from typing import Any

from app.apidoc.openapi import described
from app.openai.errors import ErrorBody


def failures(*statuses: int) -> dict[str | int, Any]:
    """Declare the errors with which a call of the OpenAI facade may respond."""
    return {
        **{status: described(status, "application/json", ErrorBody) for status in statuses},
        500: ErrorBody,  # as a model, which adds its schema to the document
    }
