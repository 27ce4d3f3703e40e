"""Stage 4, persist: complete the job and store its answer in one transaction, exactly once."""

import time

from sqlalchemy.orm import Session

from models.errors import Superseded
from models.lifecycle.endings import complete
from models.lifecycle.event_numbers import after_stage
from tasks.execution import failpoints
from tasks.execution.handover import STORED
from tasks.execution.stage import stage
from tasks.execution.work import Outcome, Work
from tasks.policies import PERSIST
from tasks.resilience.transaction import run_transaction_with_retry


@stage(PERSIST)
def persist(work: Work) -> Outcome:
    """Store the checkpointed answer. A retry calls no model again."""

    def store(session: Session) -> bool:
        failpoints.point(PERSIST.stage, "before_checkpoint")
        number = work.end_number
        record = work.ended(STORED, number)
        return complete(session, work.fence, record, sequence=after_stage(number))

    # If the reply to a commit is lost, the second try finds the job finished, which is harmless.
    stored = run_transaction_with_retry(store, time.monotonic() + PERSIST.call_limit_s)
    if not stored:
        raise Superseded("The job has ended, or its stage belongs to another run.")
    return Outcome(STORED, stored=True)
