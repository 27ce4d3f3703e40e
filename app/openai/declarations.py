"""What the OpenAPI document says of the OpenAI facade's answers."""

from typing import Any

from app.apidoc.openapi import described
from app.openai.errors import ErrorBody


def failures(*statuses: int) -> dict[str | int, Any]:
    """The declaration of the failures that a call of the OpenAI facade may answer."""
    return {
        **{status: described(status, "application/json", ErrorBody) for status in statuses},
        500: ErrorBody,  # as a model, which puts its shape into the document
    }
