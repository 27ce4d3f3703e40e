"""The API's rows, read and changed directly."""

from sqlalchemy import update

from models.idempotency import IdempotencyKey
from models.jobs import Job
from models.session import unit_of_work


def change(job_id: str, **columns: object) -> None:
    """Set columns of a job."""
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**columns))


def row(job_id: str) -> Job:
    """The current row of a job."""
    with unit_of_work() as session:
        job = session.get(Job, job_id)
        assert job is not None
        return job


def store_as_before(key: str) -> None:
    """Keep the answer of a key as the release before did: without the id of what was created."""
    with unit_of_work() as session:
        session.execute(
            update(IdempotencyKey)
            .where(IdempotencyKey.key == key)
            .values(answer=IdempotencyKey.answer.op("-")("id"))
        )
