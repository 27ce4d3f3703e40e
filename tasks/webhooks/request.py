"""One attempt to send an event: the request by Standard Webhooks, and what became of it."""

import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import httpcore
import httpx

from models.webhook_outbox import Attempt
from tasks.llm.retry_after import retry_after
from tasks.policies import DELIVER
from tasks.webhooks.addresses import PrivateAddress, Unresolvable, why_refused
from tasks.webhooks.network import open_pool

AGENT: Final = "Trimind-Webhooks/1"
BUSY: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class SecretUnreadable(Exception):
    """No key of this process opens the webhook's secret, so that nothing can be signed."""


FAILURES: Final = (
    PrivateAddress,
    Unresolvable,
    SecretUnreadable,
    httpcore.ProxyError,
    httpcore.NetworkError,
    httpcore.TimeoutException,
)


@dataclass(frozen=True)
class Reply:
    """What became of an attempt: the receiver's status, or why there is none.

    `wait_s` is how long the receiver asked us to wait. `ms` is how long the attempt took.
    """

    status: int | None
    error: str | None
    ms: int
    wait_s: float | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver has accepted the event."""
        return self.error is None

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more events."""
        return self.status == HTTPStatus.GONE

    def entry(self) -> dict[str, Any]:
        """What the log of the delivery says of it."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"at": at, "status_code": self.status, "error": self.error, "ms": self.ms}


def send(
    attempt: Attempt,
    *,
    allow_private: bool,
    proxy: str | None = None,
    limit_s: float = DELIVER.call_limit_s,
) -> Reply:
    """Send an event. No redirect is followed: the receiver's own address was checked, and another
    is not what its owner has registered. Nothing of the response but its head is read.

    Args:
        attempt: what is sent.
        allow_private: whether the receiver may have a private address.
        proxy: through which it is reached, if at all.
        limit_s: the limit of all of it.
    """
    began = time.monotonic()
    status, error, wait_s = None, None, None
    try:
        pool = open_pool(certificates(), limit_s, allow_private=allow_private, proxy=proxy)
        status, headers = _post(attempt, pool, allow_private=allow_private)
    except FAILURES as why:
        error = _named(why)
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, ValueError):
        error = "bad_response"
    else:
        error = _judged(status)
        wait_s = _asked(headers) if status in BUSY else None
    return Reply(status, error, round((time.monotonic() - began) * 1000), wait_s)


def body_of(attempt: Attempt) -> bytes:
    """The body, which is the same in every attempt. It says what happened, and no text of the job:
    that is read by the API."""
    at = attempt.created_at.astimezone(UTC).isoformat(timespec="milliseconds")
    event = {"type": attempt.type, "timestamp": at.replace("+00:00", "Z"), "data": attempt.data}
    return json.dumps(event, separators=(",", ":")).encode()


def signed_headers(
    event_id: str, secrets: Iterable[bytes], body: bytes, at: int
) -> dict[bytes | str, bytes | str]:
    """The headers of Standard Webhooks, with a signature by each secret.

    Args:
        at: the Unix time of the attempt.
    """
    content = f"{event_id}.{at}.".encode() + body
    digests = (hmac.digest(secret, content, hashlib.sha256) for secret in secrets)
    signatures = " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": signatures,
    }


def _post(
    attempt: Attempt, pool: httpcore.ConnectionPool, *, allow_private: bool
) -> tuple[int, Mapping[str, str]]:
    if why_refused(attempt.url, allow_private=allow_private):
        raise PrivateAddress("the URL is not allowed any more")
    if not attempt.secrets:
        raise SecretUnreadable("no key opens the webhook's secret")
    body = body_of(attempt)
    headers: dict[bytes | str, bytes | str] = {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "Connection": "close",
        **signed_headers(attempt.event_id, attempt.secrets, body, int(time.time())),
    }
    with pool, pool.stream("POST", attempt.url, headers=headers, content=body) as response:
        sent = {name.decode("latin-1").lower(): value for name, value in response.headers}
        return response.status, {name: value.decode("latin-1") for name, value in sent.items()}


@lru_cache(maxsize=1)
def certificates() -> ssl.SSLContext:
    """What receivers are verified by: the machine's authorities, or those of `SSL_CERT_FILE`."""
    return httpx.create_ssl_context()


def _named(error: Exception) -> str:
    if isinstance(error, PrivateAddress):
        return "private_address"
    if isinstance(error, Unresolvable):
        return "unresolvable"
    if isinstance(error, SecretUnreadable):
        return "secret_unreadable"
    if isinstance(error, httpcore.ProxyError):
        return "refused_by_proxy"
    if isinstance(error, httpcore.TimeoutException):
        return "timeout"
    return "connection_failed"


def _judged(status: int) -> str | None:
    """Why a status is a failure; None for success."""
    if status in range(200, 300):
        return None
    return "redirected" if status in range(300, 400) else "refused"


def _asked(headers: Mapping[str, str]) -> float | None:
    named = {"retry-after": headers.get("retry-after", "")}
    return retry_after(Exception(), named)
