"""Verifies what Trimind sends to your webhook endpoint (https://www.standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any, Final

from trimind.errors import InvalidWebhook, UnexpectedAnswer
from trimind.replies import parse_object

PREFIX: Final = "whsec_"
VERSION: Final = "v1"
TOLERANCE_S: Final = 300.0
TIMESTAMP_MAX_CHARS: Final = 12


def verify_webhook(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str,
    *,
    tolerance_s: float = TOLERANCE_S,
) -> dict[str, Any]:
    """The event in a webhook that Trimind has sent.

    An event may be sent more than once: `webhook-id` is the same each time.

    Args:
        body: the request's body as it came, not parsed.
        headers: the request's headers; their names may be in any case.
        secret: the endpoint's secret, `whsec_…`.
        tolerance_s: how many seconds old or new it may be.

    Raises:
        InvalidWebhook: it was not signed with this secret, or it is too old, too new or malformed.
        ValueError: the secret is malformed.
    """
    key = _key(secret)
    given = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp, signatures = (
        _header(given, name) for name in ("id", "timestamp", "signature")
    )
    _check_time(timestamp, tolerance_s)
    raw = body.encode(errors="replace") if isinstance(body, str) else body
    signed = f"{message_id}.{timestamp}.".encode(errors="replace") + raw
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    # While a secret is rotated there are two signatures.
    if not any(_is_signature(each, expected) for each in signatures.split(" ")):
        raise InvalidWebhook("No signature of the webhook is valid.")
    try:
        return parse_object(raw)
    except UnexpectedAnswer:
        raise InvalidWebhook("The webhook's body is no JSON object.") from None


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError(f"The secret is malformed: it is {PREFIX} and base64.")
    return key


def _header(given: Mapping[str, str], name: str) -> str:
    try:
        return given[f"webhook-{name}"]
    except KeyError:
        raise InvalidWebhook(f"The header webhook-{name} is missing.") from None


def _check_time(timestamp: str, tolerance_s: float) -> None:
    if not (
        timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= TIMESTAMP_MAX_CHARS
    ):
        raise InvalidWebhook("The header webhook-timestamp is no number of seconds.")
    if abs(time.time() - int(timestamp)) > tolerance_s:
        raise InvalidWebhook("The webhook is too old or too new.")


def _is_signature(given: str, expected: bytes) -> bool:
    version, _, signature = given.partition(",")
    return version == VERSION and hmac.compare_digest(signature.encode(errors="replace"), expected)
