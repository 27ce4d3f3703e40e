"""OpenAI's own fields of the limit of requests, which its clients read beside the standard ones."""

from typing import Final

from flask import Response

from app.http.limit_fields import OPENAI_LEFT, OPENAI_LIMIT, OPENAI_RESET, shown

REQUESTS: Final = "requests"


def add_rate_limits(response: Response) -> Response:
    """Send what is left of the user's requests as OpenAI does."""
    standing = shown(REQUESTS)
    if standing is not None:
        response.headers[OPENAI_LIMIT] = str(standing.quota)
        response.headers[OPENAI_LEFT] = str(standing.left)
        response.headers[OPENAI_RESET] = f"{standing.seconds}s"
    return response
