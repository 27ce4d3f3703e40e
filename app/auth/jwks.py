"""The public keys of the issuer of JWTs (a JWK Set, RFC 7517), fetched once and kept.

A request waits for a fetch only if it can't be answered without one, and few do at once. Fetches
have limits of time and size, and pauses between them: a caller that invents key ids must not make
us call the issuer for each. While the issuer is unreachable, the keys that are known continue to
be used, for a day; also by a process that starts then, since they are in the database.
"""

import asyncio
import json
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx
import structlog
from jwt import PyJWK

from app.auth.jwk_set import NO_KEYS, KeySet, UnusableKeys, read_key_set
from app.auth.stored_keys import StoredKeys
from app.http.errors import IssuerUnavailable
from config.issuer_url import LOOPBACK
from config.once import once
from config.outages import outages
from models.errors import DatabaseUnavailable

FETCH_WITHIN_S: Final = 5.0
MOST_BYTES: Final = 256 * 1024
FRESH_S: Final = 300.0
USABLE_S: Final = 86_400.0
PAUSE_S: Final = 10.0
RETRY_S: Final = 5.0
# More than this many requests don't wait for a fetch: they would hold the threads of views.
MOST_WAITING: Final = 8

log = structlog.get_logger(__name__)


class KeyStore(Protocol):
    """Where the keys are found that were fetched last; both raise DatabaseUnavailable."""

    def load(self) -> tuple[dict[str, Any], float] | None: ...
    def save(self, document: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class IssuerState:
    """Whether the issuer was reached at the last try, and for how many seconds its known keys may
    be used if it is not reached again; 0 if none are known."""

    reached: bool
    usable_s: float


class IssuerKeys:
    """The keys of the issuer at a URL. Thread-safe.

    Args:
        url: where the issuer publishes them.
        store: where they are kept for other processes.
        fresh_s: the age in seconds from which they are fetched again, in the background.
        usable_s: the age from which they are no longer used.
        pause_s: between a fetch and the next one.
        retry_s: between a fetch that failed and the next one, and likewise of the store.
    """

    def __init__(
        self,
        url: str,
        store: KeyStore | None = None,
        *,
        fresh_s: float = FRESH_S,
        usable_s: float = USABLE_S,
        pause_s: float = PAUSE_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._url, self._store = url, store
        self._fresh_s, self._usable_s = fresh_s, usable_s
        self._pause_s, self._retry_s = pause_s, retry_s
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)
        self._has_loaded, self._next_load_at = store is None, 0.0
        self._reached: bool | None = None  # before the first try
        self._keys = NO_KEYS
        self._fetched_at = -usable_s
        self._next_fetch_at = 0.0
        self._fetch: Future[None] | None = None

    def find(self, key_id: str, algorithm: str) -> PyJWK | None:
        """The key with this id for this algorithm; None if the issuer has none.

        Raises:
            IssuerUnavailable: it can't be said, since the issuer was not reached.
        """
        self._load_once()
        known = self._known(key_id, algorithm)
        if known is not None:
            if self._age_s() >= self._fresh_s:
                self._begin_fetch()
            return known
        self._wait_for_fetch()
        if (found := self._known(key_id, algorithm)) is not None:
            return found
        # The keys that are known may be older than this one.
        if not self._reached or self._age_s() >= self._usable_s:
            raise IssuerUnavailable(
                "The keys of the issuer can't be fetched. Try again.", self._retry_s
            )
        return None

    def state(self, within_s: float) -> IssuerState:
        """Whether the issuer can be reached. The first time, it waits for so long to know; then it
        says what the last try has shown, and tries again in the background when it is time."""
        fetch = None
        if not self._reached or self._age_s() >= self._fresh_s:
            fetch = self._begin_fetch()
        if self._reached is None and fetch is not None:
            try:
                fetch.result(within_s)
            except TimeoutError:
                log.info("the issuer of JWTs has not answered yet", within_s=within_s)
        return IssuerState(self._reached is True, max(0.0, self._usable_s - self._age_s()))

    def _age_s(self) -> float:
        return time.monotonic() - self._fetched_at

    def _known(self, key_id: str, algorithm: str) -> PyJWK | None:
        usable = self._age_s() < self._usable_s
        return self._keys.keys.get((key_id, algorithm)) if usable else None

    # --- the issuer

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
        found = None
        try:
            found = fetch_keys(self._url)
        except UnusableKeys as error:
            outages.note("issuer", error, watcher="keys")
            self._adopt_stored()  # another process may have reached it
        except Exception as error:  # the boundary of a thread; an unknown error is no key either
            log.exception("fetching the issuer's keys failed", error=type(error).__name__)
        else:
            outages.clear("issuer", "keys")
            self._adopt(found, time.monotonic())
        finally:
            self._end_fetch(reached=found is not None)
            fetch.set_result(None)
        if found is not None:
            self._save(found)

    def _end_fetch(self, *, reached: bool) -> None:
        pause_s = self._pause_s if reached else self._retry_s
        with self._lock:
            self._reached = reached
            self._next_fetch_at, self._fetch = time.monotonic() + pause_s, None

    def _adopt(self, found: KeySet, fetched_at: float) -> None:
        with self._lock:
            if fetched_at > self._fetched_at:
                self._keys, self._fetched_at = found, fetched_at

    # --- the store

    def _load_once(self) -> None:
        """Adopt the keys that are stored, unless that was done. A store that is unavailable is
        asked again after a pause: requests wait in turn, each as long as to connect may take."""
        if self._has_loaded:
            return
        with self._loading:
            if not self._has_loaded and time.monotonic() >= self._next_load_at:
                self._has_loaded = self._adopt_stored()
                self._next_load_at = time.monotonic() + self._retry_s

    def _adopt_stored(self) -> bool:
        """Adopt the keys that are stored, if they are newer; whether the store could be read."""
        if self._store is None:
            return True
        try:
            stored = self._store.load()
            if stored is not None:
                self._adopt(read_key_set(stored[0]), time.monotonic() - stored[1])
        except DatabaseUnavailable as error:
            outages.note("database", error)
            return False
        except UnusableKeys as error:
            log.error("the stored keys of the issuer are unusable", error=str(error))
        return True

    def _save(self, found: KeySet) -> None:
        if self._store is None:
            return
        try:
            self._store.save(found.document)
        except DatabaseUnavailable as error:
            outages.note("database", error)
        except Exception as error:  # the boundary of a thread
            log.exception("storing the issuer's keys failed", error=type(error).__name__)


def fetch_keys(url: str) -> KeySet:
    """Fetch the keys that can verify a token, within 5 s.

    Raises:
        UnusableKeys: the issuer is unreachable, slow or redirects, or it sent no JWK Set of at most
            256 KiB with such a key.
    """
    try:
        body = asyncio.run(_get(url))
    except (httpx.HTTPError, TimeoutError) as error:
        raise UnusableKeys(f"{type(error).__name__}: {error}") from error
    except (httpx.InvalidURL, ValueError):  # which may quote a part of a proxy's password
        raise UnusableKeys("its address or a proxy's is malformed") from None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise UnusableKeys("what it sent is not JSON") from None
    return read_key_set(found)


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


@once
def issuer_keys(url: str) -> IssuerKeys:
    """The keys that this process keeps."""
    return IssuerKeys(url, StoredKeys(url))
