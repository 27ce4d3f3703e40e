"""Pages of a user's jobs."""

from sqlalchemy import ColumnElement, and_, any_, func, select
from sqlalchemy.orm import Session, aliased

from models.jobs import FINISHED, SLOTS, Job
from models.pages import page_of


def list_jobs(
    session: Session,
    user_id: str,
    *,
    limit: int,
    after: str | None = None,
    status: str | None = None,
    conversation_id: str | None = None,
) -> list[Job]:
    """A page of a user's jobs, newest first.

    Args:
        limit: the page size; one more is returned if there are more.
        after: the id of the last job of the previous page.
        status: only jobs with this status.
        conversation_id: only jobs of this conversation.

    Raises:
        InvalidRequest: `after` is not one of the user's jobs.
    """
    filters = []
    if status is not None:
        filters.append(_has_status(user_id, status))
    if conversation_id is not None:
        filters.append(Job.conversation_id == conversation_id)
    mine = select(Job).where(Job.user_id == user_id)
    return page_of(session, mine, Job.id, *filters, limit=limit, after=after)


def _has_status(user_id: str, status: str) -> ColumnElement[bool]:
    """A condition that an index can serve: a list without a match must not read all of a user's
    jobs.

    An index on every status would be written at every step of every job. Finished jobs have an
    index of their own, and a user's unfinished jobs are found by their slots.
    """
    if status in FINISHED:
        return and_(Job.status == status, Job.slot.is_(None))
    unfinished = aliased(Job)
    mine = select(unfinished.id).where(
        unfinished.user_id == user_id, unfinished.slot.in_(SLOTS), unfinished.status == status
    )
    return Job.id == any_(func.array(mine.scalar_subquery()))
