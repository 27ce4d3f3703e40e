"""What is due of the outbox of webhooks: found, claimed for an attempt, finished, pruned."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Executable,
    Interval,
    Select,
    String,
    any_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.types import Uuid

from models.sealing import unseal
from models.webhook_deliveries import (
    deliveries,
    end_if_disabled,
    now,
    owed_to,
    webhooks,
)

KEPT_FOR: Final = timedelta(days=7)
LOGGED_ATTEMPTS: Final = 20
_CAPS: Final = ("of_webhook", "of_user")


@dataclass(frozen=True)
class Attempt:
    """An attempt that this process makes now, until its lease expires.

    `url` is where it is sent; `own_url` says that it is the webhook's own, not a job's. `secrets`
    are the webhook's, the newest first; none if no key opens them. `number` is 1 for the first
    attempt since `began_at`.
    """

    webhook_id: str
    event_id: str
    token: UUID
    type: str
    data: dict[str, Any]
    url: str
    own_url: bool
    secrets: tuple[bytes, ...] = field(repr=False)
    number: int
    log: list[dict[str, Any]]
    created_at: datetime
    began_at: datetime
    began_s_ago: float


def is_work() -> ColumnElement[bool]:
    """True if a delivery is due, or its process died, or one is old enough to be pruned.

    The first of each is found in its index. Asked whether there is any, the planner may read the
    table until it finds one.
    """
    first_due = select(func.min(deliveries.c.next_attempt_at)).scalar_subquery()
    first_ended = select(func.min(deliveries.c.ended_at)).scalar_subquery()
    return func.coalesce(first_due <= func.now(), False) | func.coalesce(
        first_ended < func.now() - KEPT_FOR, False
    )


def oldest_due_s(session: Session) -> float:
    """For how many seconds the oldest delivery is due; 0 if none is."""
    oldest = select(func.min(deliveries.c.next_attempt_at)).where(
        deliveries.c.next_attempt_at.is_not(None)
    )
    age = func.extract("epoch", now() - oldest.scalar_subquery())
    return float(session.scalar(select(func.greatest(age, 0))) or 0)


def claim(
    session: Session, webhook_id: str, lease: timedelta, *, of_webhook: int, of_user: int
) -> Attempt | None:
    """Claim the delivery of a webhook that is due the longest.

    None if none is due, or as many as these are being sent already to the webhook, or to all of its
    user's. Claims of one user take turns, so that no more are.
    """
    known = session.execute(_lock_statement(), {"of": webhook_id}).one_or_none()
    if known is None:
        end_if_disabled(session, webhook_id)  # what a job added that ended at that moment
        return None
    values = {"of": webhook_id, "by": known.user_id, "at_token": uuid4(), "lease": lease}
    values |= dict(zip(_CAPS, (of_webhook, of_user), strict=True))
    row = session.execute(_claim_statement(), values).one_or_none()
    if row is None:
        return None
    stored = (known.secret, known.previous_secret)
    secrets = (unseal(each, webhook_id) for each in stored if each is not None)
    return Attempt(
        webhook_id,
        row.event_id,
        values["at_token"],
        row.type,
        row.data,
        row.url or known.url,
        row.url is None,
        tuple(each for each in secrets if each is not None),
        row.attempts,
        row.log,
        row.created_at,
        row.began_at,
        row.began_s_ago,
    )


def finish(
    session: Session,
    attempt: Attempt,
    entry: dict[str, Any],
    status: str,
    wait: timedelta | None = None,
) -> bool:
    """Store what has become of an attempt. False if its lease had expired and another was begun, or
    the delivery was started again, or is gone.

    Args:
        session: its transaction is the caller's to commit.
        attempt: the attempt that was made.
        entry: what the log says of it.
        status: the delivery's; `pending` with a `wait`.
        wait: how long until the next attempt.
    """
    values = {
        "of": attempt.webhook_id,
        "event": attempt.event_id,
        "at_token": attempt.token,
        "at_status": status,
        "wait": wait,
        "entries": [*attempt.log, entry][-LOGGED_ATTEMPTS:],
    }
    return session.execute(_finish_statement(), values).first() is not None


def take_due(session: Session, limit: int, dispatched_for: timedelta) -> list[str]:
    """The webhooks with a delivery that is due, whose message has to be published; none of them is
    returned again for `dispatched_for`.

    It reads an entry of an index for each webhook that has unfinished deliveries, however many.
    """
    values = {"dispatched_for": dispatched_for, "at_most": limit}
    return list(session.scalars(_due_statement(), values))


def prune(session: Session, limit: int) -> int:
    """Delete deliveries that ended long ago, `limit` at most; returns how many."""
    is_old = deliveries.c.ended_at < func.now() - KEPT_FOR
    old = select(deliveries.c.webhook_id, deliveries.c.event_id).where(is_old)
    some = old.order_by(deliveries.c.ended_at).limit(limit).with_for_update(skip_locked=True)
    key = tuple_(deliveries.c.webhook_id, deliveries.c.event_id)
    gone = delete(deliveries).where(key.in_(some))
    return len(session.execute(gone.returning(deliveries.c.event_id)).all())


@lru_cache(maxsize=1)
def _lock_statement() -> Select[Any]:
    columns = webhooks.c
    still = case((columns.previous_until > now(), columns.previous_secret))
    found = (
        select(columns.user_id, columns.url, columns.secret, still.label("previous_secret"))
        .where(columns.id == bindparam("of"), columns.disabled_at.is_(None))
        .subquery("webhook")
    )
    lock = func.pg_advisory_xact_lock(func.hashtext("webhooks"), func.hashtext(found.c.user_id))
    return select(found, lock)


@lru_cache(maxsize=1)
def _claim_statement() -> Executable:
    """The counts are of what is committed: the lock is held since the statement before."""
    row, key = deliveries.c, tuple_(deliveries.c.webhook_id, deliveries.c.event_id)
    first_due = owed_to(bindparam("of", type_=String), func.now()).limit(1)
    due = first_due.with_for_update(skip_locked=True)
    sent = deliveries.alias().c
    being_sent = (
        select(func.count(), func.count().filter(sent.webhook_id == bindparam("of")))
        .where(sent.user_id == bindparam("by"), sent.token.is_not(None))
        .where(sent.next_attempt_at > func.now())
        .subquery("being_sent")
    )
    by_user, by_webhook = being_sent.c
    free = select(by_user).where(
        by_user < bindparam("of_user"), by_webhook < bindparam("of_webhook")
    )
    began_s_ago = func.extract("epoch", now() - row.began_at).label("began_s_ago")
    return (
        update(deliveries)
        .where(key.in_(due), exists(free))
        .values(
            token=bindparam("at_token", type_=Uuid),
            attempts=row.attempts + 1,
            next_attempt_at=now() + bindparam("lease", type_=Interval),
        )
        .returning(
            row.event_id, row.type, row.data, row.url, row.attempts, row.log,
            row.created_at, row.began_at, began_s_ago,
        )
    )  # fmt: skip


@lru_cache(maxsize=1)
def _finish_statement() -> Executable:
    row, wait = deliveries.c, bindparam("wait", type_=Interval)
    return (
        update(deliveries)
        .where(
            row.webhook_id == bindparam("of"),
            row.event_id == bindparam("event"),
            row.token == bindparam("at_token", type_=Uuid),
        )
        .values(
            token=None,
            status=bindparam("at_status"),
            log=bindparam("entries", type_=JSONB),
            next_attempt_at=now() + wait,
            ended_at=case((wait.is_(None), now())),
        )
        .returning(row.event_id)
    )


@lru_cache(maxsize=1)
def _due_statement() -> Executable:
    due = exists().where(
        deliveries.c.webhook_id == webhooks.c.id, deliveries.c.next_attempt_at <= func.now()
    )
    undispatched = or_(
        webhooks.c.dispatched_until.is_(None), webhooks.c.dispatched_until <= func.now()
    )
    chosen = select(webhooks.c.id).where(webhooks.c.id == owed(), due, undispatched)
    locked = chosen.limit(bindparam("at_most")).with_for_update(skip_locked=True, key_share=True)
    until = func.now() + bindparam("dispatched_for", type_=Interval)
    return (
        update(webhooks)
        .where(webhooks.c.id.in_(locked))
        .values(dispatched_until=until)
        .returning(webhooks.c.id)
    )


def owed() -> Any:
    """Any of the webhooks with unfinished deliveries: each is found by one look into the index."""
    unfinished = deliveries.c.next_attempt_at.is_not(None)
    least = func.min(deliveries.c.webhook_id).label("webhook_id")
    found = select(least).where(unfinished).cte("owed", recursive=True)
    following = select(least).where(unfinished, deliveries.c.webhook_id > found.c.webhook_id)
    step: CompoundSelect[Any] | Select[Any] = select(
        following.correlate(found).scalar_subquery()
    ).where(found.c.webhook_id.is_not(None))
    return any_(func.array(select(found.union_all(step).c.webhook_id).scalar_subquery()))
