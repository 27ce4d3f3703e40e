"""The public keys of the issuer of JWTs (a JWK Set, RFC 7517), fetched once and kept.

A request waits for a fetch only if it can't be answered without one, and few do at once. Fetches
have limits of time and size, and pauses between them: a caller that invents key ids must not make
us call the issuer for each. While the issuer is unreachable, the keys that are known continue to
be used, for a day.
"""

import asyncio
import json
import threading
import time
from concurrent.futures import Future
from typing import Any, Final

import httpx
import structlog
from jwt import PyJWK, PyJWKSet
from jwt.exceptions import PyJWTError

from app.http.errors import IssuerUnavailable
from config.issuer_url import LOOPBACK
from config.once import once
from config.outages import outages

# By key type; never what a token asks for. No symmetric algorithm: a public key must not become a
# shared secret.
ALGORITHMS: Final = {"RSA": "RS256", "EC": "ES256"}

FETCH_WITHIN_S: Final = 5.0
MOST_BYTES: Final = 256 * 1024
FRESH_S: Final = 300.0
USABLE_S: Final = 86_400.0
PAUSE_S: Final = 10.0
RETRY_S: Final = 5.0
# More than this many requests don't wait for a fetch: they would hold the threads of views.
MOST_WAITING: Final = 8

log = structlog.get_logger(__name__)


class UnusableKeys(Exception):
    """The issuer was unreachable, or what it sent has no key that can be used."""


class IssuerKeys:
    """The keys of the issuer at a URL, by their ids. Thread-safe.

    Args:
        url: where the issuer publishes them.
        fresh_s: the age in seconds from which they are fetched again, in the background.
        usable_s: the age from which they are no longer used.
        pause_s: between a fetch and the next one.
        retry_s: between a fetch that failed and the next one.
    """

    def __init__(
        self,
        url: str,
        *,
        fresh_s: float = FRESH_S,
        usable_s: float = USABLE_S,
        pause_s: float = PAUSE_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._url = url
        self._fresh_s, self._usable_s = fresh_s, usable_s
        self._pause_s, self._retry_s = pause_s, retry_s
        self._lock = threading.Lock()
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at = -usable_s
        self._next_fetch_at = 0.0
        self._fetch: Future[None] | None = None

    def find(self, key_id: str) -> PyJWK | None:
        """The key with this id; None if the issuer has none.

        Raises:
            IssuerUnavailable: it can't be said, since the issuer was not reached.
        """
        known = self._known(key_id)
        if known is not None:
            if time.monotonic() - self._fetched_at >= self._fresh_s:
                self._begin_fetch()
            return known
        self._wait_for_fetch()
        if time.monotonic() - self._fetched_at >= self._usable_s:
            raise IssuerUnavailable(
                "The keys of the issuer can't be fetched. Try again.", self._retry_s
            )
        return self._known(key_id)

    def _known(self, key_id: str) -> PyJWK | None:
        usable = time.monotonic() - self._fetched_at < self._usable_s
        return self._keys.get(key_id) if usable else None

    def _wait_for_fetch(self) -> None:
        """Wait for the fetch in progress, or for a new one, unless the last one was just now."""
        fetch = self._begin_fetch()
        if fetch is None:
            return
        if not self._waiting.acquire(blocking=False):
            raise IssuerUnavailable("The keys of the issuer are being fetched. Try again.", 1)
        try:
            fetch.result(FETCH_WITHIN_S + 1)
        except TimeoutError:
            raise IssuerUnavailable("The keys of the issuer are being fetched.", 1) from None
        finally:
            self._waiting.release()

    def _begin_fetch(self) -> Future[None] | None:
        """The fetch in progress, or a new one; None if it is too early for another."""
        with self._lock:
            if self._fetch is not None:
                return self._fetch
            if time.monotonic() < self._next_fetch_at:
                return None
            fetch: Future[None] = Future()
            # A daemon thread: a process that shuts down does not wait for the issuer.
            threading.Thread(
                target=self._run, args=(fetch,), name="issuer-keys", daemon=True
            ).start()
            self._fetch = fetch
            return fetch

    def _run(self, fetch: Future[None]) -> None:
        try:
            keys = fetch_keys(self._url)
        except UnusableKeys as error:
            outages.note("issuer", error, watcher="keys")
            self._end_fetch(self._retry_s)
        except Exception as error:  # the boundary of a thread; an unknown error is no key either
            log.exception("fetching the issuer's keys failed", error=type(error).__name__)
            self._end_fetch(self._retry_s)
        else:
            outages.clear("issuer", "keys")
            self._keys, self._fetched_at = keys, time.monotonic()
            self._end_fetch(self._pause_s)
        finally:
            fetch.set_result(None)

    def _end_fetch(self, pause_s: float) -> None:
        with self._lock:
            self._next_fetch_at, self._fetch = time.monotonic() + pause_s, None


def fetch_keys(url: str) -> dict[str, PyJWK]:
    """Fetch the keys that can verify a token, by their ids, within 5 s.

    Raises:
        UnusableKeys: the issuer is unreachable, slow or redirects, or it sent no JWK Set of at most
            256 KiB with such a key.
    """
    try:
        found = json.loads(asyncio.run(_get(url)))
    except (httpx.HTTPError, TimeoutError) as error:
        raise UnusableKeys(f"{type(error).__name__}: {error}") from error
    except (ValueError, RecursionError):
        raise UnusableKeys("what it sent is not JSON") from None
    if not isinstance(found, dict):
        raise UnusableKeys("what it sent is not a JWK Set")
    keys = _usable(found)
    if not keys:
        raise UnusableKeys("its JWK Set has no key with an id for RS256 or ES256")
    return keys


async def _get(url: str) -> bytes:
    # The limit is for all of it: an issuer that sends a byte now and then must not hold it open.
    async with (
        asyncio.timeout(FETCH_WITHIN_S),
        httpx.AsyncClient(
            timeout=FETCH_WITHIN_S, trust_env=httpx.URL(url).host not in LOOPBACK
        ) as client,
        client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
    ):
        if response.status_code != httpx.codes.OK:
            raise UnusableKeys(f"it answered {response.status_code}")
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > MOST_BYTES:
                raise UnusableKeys(f"its JWK Set is larger than {MOST_BYTES} bytes")
        return bytes(body)


def _usable(found: dict[str, Any]) -> dict[str, PyJWK]:
    try:
        keys = PyJWKSet.from_dict(found).keys
    except PyJWTError as error:
        raise UnusableKeys(f"what it sent is not a JWK Set: {error}") from None
    return {key.key_id: key for key in keys if key.key_id and _verifies(key)}


def _verifies(key: PyJWK) -> bool:
    """Whether a key may verify a token: by its type, its use, its curve and its length."""
    if key.algorithm_name != ALGORITHMS.get(key.key_type or ""):
        return False
    try:
        key.Algorithm.prepare_key(key.key)
    except PyJWTError:  # of another curve
        return False
    long_enough = key.Algorithm.check_key_length(key.key) is None
    return long_enough and key.public_key_use in (None, "sig")


@once
def issuer_keys(url: str) -> IssuerKeys:
    """The keys that this process keeps."""
    return IssuerKeys(url)
