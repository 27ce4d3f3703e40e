"""A job's reservation covers one call. What failed calls were billed is reserved in addition before
another is made, so that no number of them exceeds a budget."""

from sqlalchemy.orm import Session

from models.spend import reserve_again
from tasks.execution.work import Work
from tasks.jobs.budgets import limit_of
from tasks.resilience.transaction import run_transaction_with_retry


def reserve_failures(work: Work) -> None:
    """Reserve what this run's failed calls have cost since the last time, if anything, before
    another call is made.

    Raises:
        BudgetExceeded: so much is not left of the user's budget.
        DatabaseUnavailable, CircuitOpen: as `run_transaction_with_retry`.
    """
    if work.bill.unreserved_usd:
        run_transaction_with_retry(lambda session: reserve_within(session, work), work.deadline)
        work.bill.note_reserved()


def reserve_within(session: Session, work: Work) -> None:
    """The same in the caller's transaction, before it changes the job."""
    if usd := work.bill.unreserved_usd:
        reserve_again(session, work.fence, limit_of(work.user_id, session), usd)
