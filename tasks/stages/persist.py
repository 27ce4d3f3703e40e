"""Stage 4, persist: the job completed and its answer stored, in one transaction, exactly once."""

import time

from sqlalchemy.orm import Session

from models.errors import Superseded
from models.lifecycle.endings import complete
from models.lifecycle.event_numbers import after_stage
from tasks.execution import failpoints
from tasks.execution.stage import stage
from tasks.execution.work import Outcome, Work
from tasks.policies import PERSIST
from tasks.resilience.transaction import run_transaction_with_retry


@stage(PERSIST)
def persist(work: Work) -> Outcome:
    """Store the answer that generate has checkpointed; nothing here is paid for again."""

    def store(session: Session) -> bool:
        failpoints.point(PERSIST.stage, "before_checkpoint")
        line = work.line("completed")
        return complete(session, work.fence, line, sequence=after_stage(line["ended"]))

    # After a commit whose reply was lost, the second try finds the job finished: no harm done.
    stored = run_transaction_with_retry(store, time.monotonic() + PERSIST.call_limit_s)
    if not stored:
        raise Superseded("The job has ended, or its stage belongs to another run.")
    return Outcome("completed", stored=True)
