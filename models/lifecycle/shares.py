"""A user's share: how many of his jobs may be in flight; later ones are held in the database.

    held --release--> queued: in the transaction that ends another of the user's jobs

In flight is a job that is queued, running or waiting. The share is the user's own, or else
`USER_SHARE`. It is approximate: jobs accepted at the same moment don't see each other. Held jobs
are released several at once, and by one transaction of a user at a time.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    String,
    Update,
    any_,
    bindparam,
    case,
    exists,
    func,
    literal,
    literal_column,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from config.settings import get_settings
from models.conversations import Message
from models.jobs import BULK, CROWDED, FIRST, SLOTS, Job
from models.lifecycle.fence import jobs, now
from models.lifecycle.leases import queue_lease, queue_lease_s
from models.limits import UserLimit

IN_FLIGHT: Final = ("queued", "running", "waiting")
# A user with fewer jobs in flight goes first.
FEW: Final = 8
# Held jobs are released once this part of a share is free.
PART: Final = 16
# Every end, and every new job of a user with a share larger than this, counts so many jobs in
# flight, and one in so many counts all: with hundreds in flight, it makes no difference if one is
# held or released a little later.
EXACT: Final = 64
SOME: Final = 17
LOOKS: Final = 8
# Of the advisory locks on users; any number that no other lock has.
LOCK: Final = 14

# Of the table `users` of an outer query.
EACH_USER: Final = literal_column("users.user_id", String)

messages: Any = Message.__table__
limits: Any = UserLimit.__table__


def share_values() -> dict[str, int]:
    """The parameters of a statement that reads a user's share."""
    return {"share": get_settings().user_share}


def in_flight_before(
    user_id: ColumnElement[str], lane: ColumnElement[int]
) -> tuple[ColumnElement[int], ColumnElement[bool]]:
    """How many jobs a new one finds in flight, SOME at most unless it counts all, and whether that
    is the user's share; it is, if others are held before it."""
    held = jobs.alias().c
    first = case((lane == BULK, BULK), else_=CROWDED)
    are_held = exists().where(held.user_id == user_id, held.slot == "held", held.lane <= first)
    # CTEs, so that PostgreSQL looks, and counts, once.
    its = select(_share_of(user_id).label("share")).cte("its")
    share: ColumnElement[int] = select(its.c.share).scalar_subquery()
    counted = case(((share <= EXACT) | _counts_all(), share), else_=SOME)
    number = case((are_held, share), else_=_in_flight(user_id, counted))
    found = select(number.label("number")).cte("in_flight")
    in_flight: ColumnElement[int] = select(found.c.number).scalar_subquery()
    return in_flight, in_flight >= share


def admitted_slot(slot: ColumnElement[str], beyond: ColumnElement[bool]) -> ColumnElement[str]:
    """The slot of a new job: `held` instead of `queued`, if its user's share is in flight."""
    held = literal("held", jobs.c.slot.type)
    return case(((slot == "queued") & beyond, held), else_=slot)


def admitted_lane(lane: ColumnElement[int], in_flight: ColumnElement[int]) -> ColumnElement[int]:
    """The lane of a new job: an interactive one goes first if its user has few in flight."""
    crowded = (lane == FIRST) & (in_flight >= FEW)
    return case((crowded, literal(CROWDED, jobs.c.lane.type)), else_=lane)


def freed(users: FromClause, less: ColumnElement[int]) -> CTE:
    """The part of a statement that queues held jobs: as many as fit into the shares of `users`.

    Returns the columns of a PendingDispatch. A user without a held job costs a look into an index
    that has none of his.

    Args:
        users: is named `users`, and has the column `user_id`.
        less: how many of the jobs that the statement sees in flight have ended; negative for jobs
            that it can't see yet.
    """
    held, other = jobs.alias("held").c, jobs.alias("other_held").c
    any_held = exists().where(other.user_id == EACH_USER, other.slot == "held")
    chosen = (
        select(held.id)
        .where(held.user_id == EACH_USER, held.slot == "held", held.message_id.is_not(None))
        .order_by(held.lane, held.id)
        .limit(case((any_held, _room(EACH_USER, less)), else_=0))
        .with_for_update(key_share=True, skip_locked=True)
        .lateral("chosen")
    )
    ids = select(chosen.c.id).select_from(users.join(chosen, true()))
    return queued(update(jobs).where(jobs.c.id == any_(func.array(ids.scalar_subquery())))).cte(
        "freed"
    )


def queued(which: Update) -> ReturningUpdate[Any]:
    """The UPDATE that queues these jobs of the slot `held` or `blocked`."""
    return (
        which.where(
            jobs.c.slot.in_(_literals(("held", "blocked"))), messages.c.id == jobs.c.message_id
        )
        .values(
            slot="queued",
            queue_lease_until=now() + queue_lease(),
            queue_lease_s=queue_lease_s(),
        )
        .returning(*jobs.c["id", "epoch", "stage"], messages.c.content, *jobs.c["lane", "user_id"])
    )


def has_room(jobs_of_user: Any) -> ColumnElement[bool]:
    """Of a group of a user's unfinished jobs: true if some are held although they need not be."""
    flight = func.count().filter(jobs_of_user.slot.in_(IN_FLIGHT))
    share = _share_of(jobs_of_user.user_id)
    return func.bool_or(jobs_of_user.slot == "held") & (flight <= share - _free(share))


def users_held(session: Session, limit: int) -> list[str]:
    """Users with jobs that are held although they need not be, `limit` at most.

    That is so if a job was accepted while the last one in flight ended, or if a worker of the
    release before, which does not know the slot `held`, ended it.
    """
    return list(session.scalars(_users_held_statement(limit), share_values()))


@lru_cache(maxsize=4)
def _users_held_statement(limit: int) -> Select[tuple[str]]:
    unfinished = select(Job.user_id).where(Job.slot.in_(SLOTS)).group_by(Job.user_id)
    return unfinished.having(has_room(Job)).limit(limit)


def _share_of(user_id: ColumnElement[str]) -> ColumnElement[int]:
    own = select(limits.c.jobs_in_flight).where(limits.c.user_id == user_id).scalar_subquery()
    return func.coalesce(own, bindparam("share", type_=Integer))


def _free(share: ColumnElement[int]) -> ColumnElement[int]:
    """How much of a share has to be free before held jobs are released."""
    return func.greatest(1, share // literal_column(str(PART), Integer), type_=Integer)


def _in_flight(user_id: ColumnElement[str], most: ColumnElement[int]) -> ColumnElement[int]:
    """How many jobs a user has in flight; `most` at most, so that no count takes long."""
    return select(func.count()).select_from(_some_in_flight(user_id, most)).scalar_subquery()


def _some_in_flight(user_id: ColumnElement[str], most: ColumnElement[int]) -> FromClause:
    mine = jobs.alias().c
    some: Select[Any] = select(literal_column("1")).where(
        mine.user_id == user_id, mine.slot.in_(_literals(IN_FLIGHT))
    )
    return some.limit(most).subquery()


def _counts_all() -> ColumnElement[bool]:
    return func.random() * LOOKS < 1


def _literals(slots: Iterable[str]) -> list[ColumnElement[str]]:
    """Slots as part of the SQL: parameters of an IN can't be compiled before their values are
    known."""
    return [literal_column(f"'{slot}'") for slot in slots]


def _room(user_id: ColumnElement[str], less: ColumnElement[int]) -> ColumnElement[int]:
    """How many held jobs of a user to release now. Of those transactions that would release some at
    the same time, one does; and of those that would have to count many jobs, one in `LOOKS`."""
    its = select(_share_of(user_id).label("share")).lateral("its")
    counted = case((_counts_all(), its.c.share + 1), else_=SOME)
    look = select(counted.label("most"), its.c.share).select_from(its).lateral("look")
    some = _some_in_flight(user_id, literal_column("look.most", Integer))
    # An aggregate of its own, so that PostgreSQL counts once.
    flight = select(func.count().label("number")).select_from(some).lateral("flight")
    number = flight.c.number - less
    mine = func.pg_try_advisory_xact_lock(LOCK, func.hashtext(user_id))
    share = look.c.share
    room = case((mine, share - number), else_=0)
    fits = (flight.c.number < look.c.most) & (number <= share - _free(share))
    both = look.join(flight, true())
    return select(case((fits, room), else_=0)).select_from(both).scalar_subquery()
