"""A POST that creates, made once for its Idempotency-Key, however often and at once it is sent.

The key is owned by a lock of the transaction that creates, and stored in it together with the
answer: a POST that failed leaves nothing behind. Whoever meets a key that somebody else owns looks
again from time to time and holds no database connection in between, so that waiting copies keep
nobody else out.
"""

import hashlib
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flask import Response, current_app, g, request

from app.http.db import db
from app.http.errors import IdempotencyInProgress, IdempotencyKeyReused
from models.idempotency import Kept, find_kept, keep, take_key

REPLAYED: Final = "Idempotent-Replayed"
IN_PROGRESS: Final = (
    "The first request with this Idempotency-Key is still being processed. Try again."
)
KEPT_HEADERS: Final = ("Location", "Retry-After")
PATIENCE_S: Final = 5.0
FIRST_PAUSE_S: Final = 0.01
LONGEST_PAUSE_S: Final = 0.25


@dataclass(frozen=True)
class Created:
    """What a POST has added to the transaction: its answer, and what follows the commit."""

    answer: Response
    then: Callable[[], object] = lambda: None


def create_once(key: str | None, create: Callable[[], Created]) -> Response:
    """The answer of `create`, which is committed here; or the one that its key got before.

    Raises:
        IdempotencyKeyReused: the key came with another call or another body.
        IdempotencyInProgress: the key stays in use for too long.
    """
    if key is None:
        return _commit(create())
    kept = _own(key)
    if kept is not None:
        return _replay(kept)
    created = create()
    keep(db.session(), g.user_id, key, Kept(fingerprint(), _flat(created.answer)))
    return _commit(created)


def _commit(created: Created) -> Response:
    db.session.commit()
    created.then()
    return created.answer


def _own(key: str) -> Kept | None:
    """Own the key in this transaction; or find what it stands for."""
    until = time.monotonic() + PATIENCE_S
    pause = FIRST_PAUSE_S
    while True:
        mine = take_key(db.session(), g.user_id, key)
        kept = find_kept(db.session(), g.user_id, key)
        if kept is not None or mine:
            return kept
        db.session.rollback()  # gives the connection back
        if time.monotonic() >= until:
            raise IdempotencyInProgress(IN_PROGRESS, retry_after=1)
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 (jitter)
        pause = min(pause * 2, LONGEST_PAUSE_S)


def _replay(kept: Kept) -> Response:
    db.session.rollback()
    if kept.fingerprint != fingerprint():
        detail = "This Idempotency-Key was used for another call or another body."
        raise IdempotencyKeyReused(detail)
    answer = kept.answer
    response = current_app.response_class(
        answer["body"], answer["status"], answer["headers"], mimetype="application/json"
    )
    response.headers[REPLAYED] = "true"
    return response


def _flat(response: Response) -> dict[str, Any]:
    """An answer as JSONB keeps it. The body is one text, since JSONB would order its names anew."""
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    body = response.get_data(as_text=True)
    return {"status": response.status_code, "headers": headers, "body": body}


def fingerprint() -> bytes:
    """The call and its body, whatever the white space and the order of the names in it. Headers do
    not count: a client that tries again may have less time left."""
    body = json.dumps(request.get_json(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{request.method} {request.path}\n{body}".encode()).digest()
