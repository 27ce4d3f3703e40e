"""A run that has waited for the database asks whether it still owns its stage before it pays."""

from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from config.settings import get_settings
from models.errors import Superseded
from models.jobs import Job
from models.lifecycle.fence import Fence, now
from models.session import unit_of_work
from tasks.execution.heartbeat import confirm
from tasks.execution.work import Work, load

from .conftest import MakeJob, advance


def begin(job_id: str) -> Work:
    """A run of the job's generate."""
    advance(job_id, "generate")
    with unit_of_work() as session:
        work = load(session.connection(), Fence(job_id, 1, "generate", uuid4()), 60)
    assert work is not None
    return work


def waited(work: Work) -> Work:
    """The same run, after the database was silent for longer than a lease."""
    return replace(work, began=work.began - get_settings().lease_s - 1)


def give_up(job_id: str) -> None:
    """As a reconciler does once the lease has expired."""
    with unit_of_work() as session:
        freed = update(Job).where(Job.id == job_id)
        session.execute(
            freed.values(
                slot="queued", run_token=None, lease_until=None, queue_lease_until=now(), epoch=2
            )
        )


def lease_is_over(job_id: str) -> bool:
    with unit_of_work() as session:
        return bool(session.scalar(select(Job.lease_until <= now()).where(Job.id == job_id)))


def test_a_run_that_has_lost_its_stage_meanwhile_is_superseded(make_job: MakeJob) -> None:
    work = begin(make_job())
    give_up(work.fence.job_id)

    with pytest.raises(Superseded):
        confirm(waited(work))


def test_a_run_that_still_owns_its_stage_gets_a_new_lease(make_job: MakeJob) -> None:
    work = begin(make_job())
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == work.fence.job_id).values(lease_until=now()))
    assert lease_is_over(work.fence.job_id)

    confirm(waited(work))
    assert not lease_is_over(work.fence.job_id)
