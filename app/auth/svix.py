"""Signatures of events that others send to us, as Svix makes them for Clerk: an HMAC of the id, the
time and the body (the scheme of Standard Webhooks, with headers of another name)."""

import base64
import binascii
import hashlib
import hmac
import time
from typing import Final

from werkzeug.datastructures import Headers

from app.http.errors import InvalidSignature

WINDOW_S: Final = 300
ID_MAX_CHARS: Final = 256
# Svix sends one for each secret while they rotate.
MOST_SIGNATURES: Final = 16


def verified_id(headers: Headers, body: bytes, keys: tuple[bytes, ...]) -> str:
    """The id of an event, whose signature is right and at most five minutes old.

    Raises:
        InvalidSignature: it is not.
    """
    event_id, sent_at = headers.get("svix-id", ""), headers.get("svix-timestamp", "")
    if not 0 < len(event_id) <= ID_MAX_CHARS or not sent_at.isascii() or not sent_at.isdigit():
        raise InvalidSignature("The headers svix-id and svix-timestamp are missing or malformed.")
    if len(sent_at) > 12 or abs(time.time() - int(sent_at)) > WINDOW_S:
        raise InvalidSignature("The event was signed more than five minutes ago, or later.")
    signed = b".".join((event_id.encode(), sent_at.encode(), body))
    expected = [hmac.digest(key, signed, hashlib.sha256) for key in keys]
    sent = _signatures(headers.get("svix-signature", ""))
    # Each is compared with each, whatever has matched before.
    matches = [hmac.compare_digest(each, one) for each in sent for one in expected]
    if not any(matches):
        raise InvalidSignature("The signature is wrong.")
    return event_id


def _signatures(header: str) -> list[bytes]:
    found = []
    for each in header.split(" ")[:MOST_SIGNATURES]:
        version, _, signature = each.partition(",")
        if version == "v1":
            try:
                found.append(base64.b64decode(signature, validate=True))
            except (binascii.Error, ValueError):
                continue
    return found
