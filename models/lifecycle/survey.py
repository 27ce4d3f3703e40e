"""What there is to do for a reconciler, found by one statement; usually nothing."""

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Executable, and_, func, or_, select
from sqlalchemy.orm import aliased

from models.broker_marker import BrokerMarker
from models.jobs import Job
from models.lifecycle.endings import orphaned, overdue
from models.lifecycle.fence import now
from models.lifecycle.reconciliation import is_due
from models.lifecycle.shares import has_room, share_values
from models.lifecycle.track_queue import is_ahead
from models.session import autocommit, outages_translated
from models.webhook_outbox import is_work


@dataclass(frozen=True)
class Survey:
    """What a look at all unfinished jobs has found.

    Attributes:
        stray: a job is orphaned or overdue, its run's lease has expired, nothing blocks it, or it
            is held although its user's share is not in flight.
        due: a job should be published.
        webhooks: a delivery of a webhook is due, or old.
        marker: the database's copy of the broker's marker.
    """

    stray: bool
    due: bool
    webhooks: bool
    marker: str | None


def survey() -> Survey:
    """Look at all unfinished jobs. Locks nothing: what was found is checked again when it is
    changed.

    Raises:
        DatabaseUnavailable: PostgreSQL can't be reached.
    """
    with outages_translated(), autocommit() as connection:
        return Survey(*connection.execute(_survey_statement(), share_values()).one())


@lru_cache(maxsize=1)
def _survey_statement() -> Executable:
    """Each unfinished job is read once, however many things are looked for."""
    ahead = aliased(Job)
    stray = or_(
        orphaned(),
        overdue(),
        and_(Job.slot == "running", Job.lease_until <= now()),
        and_(Job.slot == "blocked", ~is_ahead(ahead, Job)),
    )
    of_user = (
        select(
            (func.bool_or(stray) | has_room(Job)).label("stray"),
            func.bool_or(is_due()).label("due"),
        )
        .where(Job.slot.is_not(None))
        .group_by(Job.user_id)
        .subquery()
    )
    return select(
        func.coalesce(func.bool_or(of_user.c.stray), False),
        func.coalesce(func.bool_or(of_user.c.due), False),
        is_work(),
        select(BrokerMarker.value).where(BrokerMarker.id == 1).scalar_subquery(),
    )
