"""The secrets of Standard Webhooks: `whsec_` and base64. Several are separated by commas, while one
replaces the other."""

import base64
import binascii
from typing import Final

PREFIX: Final = "whsec_"
# The specification says 24 to 64.
MIN_BYTES: Final = 16


def signing_keys(secrets: str) -> tuple[bytes, ...]:
    """The keys of secrets.

    Raises:
        ValueError: one is malformed; the message contains no value.
    """
    keys = tuple(_key(secret.strip()) for secret in secrets.split(",") if secret.strip())
    if not keys:
        raise ValueError("has no secret")
    return keys


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"is not {PREFIX}<base64>") from None
    if len(key) < MIN_BYTES or not secret.startswith(PREFIX):
        raise ValueError(f"is not {PREFIX}<base64>, of at least {MIN_BYTES} bytes")
    return key
