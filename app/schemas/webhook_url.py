"""The URL of a webhook: a field with the same rules wherever it is."""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from config.settings import get_settings
from models.jobs import URL_MAX_CHARS
from tasks.webhooks.addresses import why_refused

URL: Final = "https://example.com/hooks/trimind"


def _check_url(url: str) -> str:
    if why := why_refused(url, allow_private=get_settings().webhook_allow_private):
        raise PydanticCustomError("invalid", why)
    return url


def _describe(schema: dict[str, Any]) -> None:
    """A default only says that the field was not sent."""
    schema.pop("default", None)
    schema.update(format="uri", pattern="^https?://", example=URL)


WebhookUrl = Annotated[
    str,
    Field(
        max_length=URL_MAX_CHARS,
        json_schema_extra=_describe,
    ),
    AfterValidator(_check_url),
]
JobWebhookUrl = Annotated[
    WebhookUrl | None,
    Field(
        description="Where to send a POST when a job has ended: an `https://` URL of a public "
        "address. Signed with the secret of your webhook that has no `url`; create that first."
    ),
]
