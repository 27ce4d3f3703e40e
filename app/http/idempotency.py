"""A POST that creates something, done once per Idempotency-Key, however often it is sent.

The transaction that creates locks the key and stores the answer with it: a POST that failed leaves
nothing behind. What can be created by one statement takes a free key in the same statement. A
request whose key is locked by another tries again from time to time, and occupies neither a thread
nor a database connection in between.
"""

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

from flask import Response, current_app, g, request
from pydantic import BaseModel

from app.http.db import db
from app.http.deferred import defer
from app.http.errors import IdempotencyInProgress, IdempotencyKeyReused
from models.idempotency import Claim, StoredAnswer, lock_key, store_answer

REPLAYED: Final = "Idempotent-Replayed"
IN_PROGRESS: Final = (
    "The first request with this Idempotency-Key is still being processed. Try again."
)
PATIENCE_S: Final = 5.0
FIRST_PAUSE_S: Final = 0.01
LONGEST_PAUSE_S: Final = 0.25


@dataclass(frozen=True)
class Created:
    """What a POST has created, and the response to it: both are stored with its key.

    Attributes:
        body: JSON as text, since JSONB would reorder its names.
        replayed: whether an earlier request with the same key created it.
    """

    id: str
    status: int
    headers: dict[str, str]
    body: str
    replayed: bool = False

    @classmethod
    def of(cls, created_id: str, body: BaseModel, status: int, **headers: str) -> "Created":
        """Pair an id with its response; `Retry_After` is sent as `Retry-After`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(created_id, status, named, f"{current_app.json.dumps(body.model_dump())}\n")

    def response(self) -> Response:
        """Return the response, byte for byte the same for the same key."""
        response = current_app.response_class(
            self.body, self.status, self.headers, mimetype="application/json"
        )
        return self.mark(response)

    def mark(self, response: Response) -> Response:
        """Add the headers that every response to this POST has."""
        if (location := self.headers.get("Location")) is not None:
            response.headers["Location"] = location
        if self.replayed:
            response.headers[REPLAYED] = "true"
        return response

    def stored(self) -> dict[str, Any]:
        """Return what is stored with the key."""
        return asdict(replace(self, replayed=True))

    def between(self, first: str, second: str) -> tuple[str, str, str]:
        """Return the parts of the body before, between and after two texts, the second of which
        follows the first."""
        before, _, rest = self.body.partition(first)
        between, _, after = rest.partition(second)
        return before, between, after


@dataclass(frozen=True)
class SentKey:
    """The key of this request, and the fingerprint of its call and body."""

    user_id: str
    key: str
    fingerprint: bytes

    def claim(self, created: Created, first: str, second: str) -> Claim:
        """Return what is stored with the key by the statement that creates something, except for
        two texts in the body, which the statement replaces by its times."""
        answer, parts = created.stored(), created.between(first, second)
        del answer["body"]
        return Claim(self.user_id, self.key, self.fingerprint, answer, parts)


AtOnce = Callable[[SentKey | None], Created | None]


def create_once(
    key: str | None,
    create: Callable[[], Created],
    respond: Callable[[Created], Response],
    at_once: AtOnce | None = None,
) -> Response:
    """Create something and commit it, once per key; then respond to it.

    Args:
        create: adds it to the transaction.
        respond: gets what was created, or what an earlier request with the same key created.
        at_once: creates it by one statement that is a transaction of its own, and takes the key, if
            there is one; returns None if the key isn't free.

    Raises:
        IdempotencyKeyReused: the key came with another call or another body.
        IdempotencyInProgress: another request locks the key for too long.
        Deferred: another request locks the key.
    """
    sent = SentKey(g.user_id, key, fingerprint()) if key is not None else None
    if at_once is not None and (created := at_once(sent)) is not None:
        return respond(created)
    return respond(_commit(create())) if sent is None else _with_key(sent, create, respond)


def _with_key(
    sent: SentKey, create: Callable[[], Created], respond: Callable[[Created], Response]
) -> Response:
    """Create it in a transaction that locks the key first."""
    give_up_at, pause_s = time.monotonic() + PATIENCE_S, FIRST_PAUSE_S

    def attempt() -> Response:
        nonlocal pause_s
        locked, stored = lock_key(db.session(), sent.user_id, sent.key)
        if stored is None and locked and (created := _create(sent, create)) is not None:
            return respond(created)
        db.session.rollback()  # returns the connection
        if stored is not None:
            return respond(_replayed(stored, sent.fingerprint))
        if time.monotonic() >= give_up_at:
            raise IdempotencyInProgress(IN_PROGRESS, retry_after=1)
        jittered_s = pause_s * random.uniform(0.5, 1)  # noqa: S311 (jitter)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        return defer(partial(asyncio.sleep, jittered_s), attempt)

    return attempt()


def _create(sent: SentKey, create: Callable[[], Created]) -> Created | None:
    """Create it. None, and nothing was created: another request did, just before the lock."""
    created = create()
    answer = StoredAnswer(sent.fingerprint, created.stored())
    if not store_answer(db.session(), sent.user_id, sent.key, answer):
        return None
    return _commit(created)


def fingerprint() -> bytes:
    """Hash the call and its body, ignoring white space and the order of names. Headers are not
    included: a client that retries may have less time left."""
    body = json.dumps(request.get_json(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{request.method} {request.path}\n{body}".encode()).digest()


def _commit(created: Created) -> Created:
    db.session.commit()
    return created


def _replayed(stored: StoredAnswer, sent: bytes) -> Created:
    if stored.fingerprint != sent:
        detail = "This Idempotency-Key was used for another call or another body."
        raise IdempotencyKeyReused(detail)
    of_older_release: dict[str, Any] = {"id": _id_in(stored.answer), "replayed": True}
    return Created(**of_older_release | stored.answer)


def _id_in(answer: dict[str, Any]) -> str:
    """Return the id in a response stored by a release before 0.2, which had no field for it."""
    location: str | None = answer["headers"].get("Location")
    created_id: str = location.rsplit("/", 1)[1] if location else json.loads(answer["body"])["id"]
    return created_id
