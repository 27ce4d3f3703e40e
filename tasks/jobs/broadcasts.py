"""Send one message to several minds: accept a broadcast, cancel it, merge its answers, keep one."""

from collections.abc import Sequence
from dataclasses import replace

import structlog
from sqlalchemy.orm import Session

from config.minds import MANAGER, get_minds
from models.broadcasts import Broadcast, BroadcastJobs, find_broadcast, gather
from models.conflicts import BroadcastInProgress, MergeInProgress, NothingToMerge
from models.conversations import Message
from models.errors import InvalidRequest, NotFound
from models.ids import new_id
from models.job_options import Options
from models.jobs import Job
from models.lifecycle import endings
from models.lifecycle.track_queue import lock_conversations
from tasks.jobs.submission import Submission, add_job, add_message, known_mind

log = structlog.get_logger(__name__)


def accept(session: Session, submission: Submission, minds: Sequence[str] | None) -> BroadcastJobs:
    """Add a message and a job for each mind, by default for every mind. The caller commits. The
    metadata belong to the broadcast, not to its jobs.

    Raises InvalidRequest (unknown mind), NotFound (conversation) and ConversationBusy.
    """
    wanted = list(get_minds().minds) if minds is None else minds
    known = [known_mind(mind, f"minds.{index}") for index, mind in enumerate(wanted)]
    message = add_message(session, submission)
    broadcast = Broadcast(
        id=new_id("bcast"),
        user_id=submission.user_id,
        conversation_id=message.conversation_id,
        message_id=message.id,
        meta=submission.metadata,
    )
    session.add(broadcast)
    session.flush()
    each = replace(submission, metadata={})
    alone = submission.conversation_id is None
    jobs = [add_job(session, each, message, mind, broadcast.id, alone=alone) for mind in known]
    return BroadcastJobs(broadcast, jobs)


def cancel(session: Session, user_id: str, broadcast_id: str) -> BroadcastJobs:
    """Cancel the unfinished jobs of the user's broadcast, and commit.

    Returns the broadcast, whose jobs may have ended otherwise. Raises NotFound.
    """
    unfinished = [job.id for job in read(session, user_id, broadcast_id).jobs if job.slot]
    cancelled = [job_id for job_id in unfinished if endings.cancel(session, job_id)]
    session.expire_all()  # if another transaction ended a job first, read what that wrote
    whole = read(session, user_id, broadcast_id)
    session.commit()
    if cancelled:
        log.info("broadcast cancelled", broadcast_id=broadcast_id, job_ids=cancelled)
    return whole


def accept_merge(
    session: Session,
    user_id: str,
    broadcast_id: str,
    *,
    metadata: dict[str, str],
    deadline_s: int | None,
) -> Job:
    """Add the job that merges the siblings' answers to the transaction that the caller commits.

    It locks the conversation before the broadcast, as completing a merge does. Raises NotFound,
    BroadcastInProgress, NothingToMerge, MergeInProgress and ConversationBusy.
    """
    lock_conversations(session, Job.broadcast_id == broadcast_id, Job.user_id == user_id)
    whole = read(session, user_id, broadcast_id, lock=True)
    _refuse_merge(whole)
    message = session.get_one(Message, whole.broadcast.message_id)
    merge = Submission(
        user_id,
        message.content,
        metadata=metadata,
        deadline_s=deadline_s,
        options=Options(merges=tuple(job.id for job in whole.completed)),
    )
    return add_job(session, merge, message, MANAGER, broadcast_id)


def choose(session: Session, user_id: str, broadcast_id: str, job_id: str) -> BroadcastJobs:
    """Let every track of the user's broadcast continue from this job's answer, and commit.

    Raises NotFound, and InvalidRequest if it is not a completed job of this broadcast.
    """
    whole = read(session, user_id, broadcast_id, lock=True)
    if not any(job.id == job_id and job.status == "completed" for job in whole.jobs):
        raise InvalidRequest("job_id must be a completed job of the broadcast.", "job_id")
    whole.broadcast.kept_job_id = job_id
    session.commit()
    return whole


def read(session: Session, user_id: str, broadcast_id: str, *, lock: bool = False) -> BroadcastJobs:
    """The user's broadcast with its jobs. Raises NotFound."""
    broadcast = find_broadcast(session, user_id, broadcast_id, lock=lock)
    if broadcast is None:
        raise NotFound("No such broadcast.")
    return gather(session, [broadcast])[0]


def _refuse_merge(whole: BroadcastJobs) -> None:
    if not whole.ended:
        raise BroadcastInProgress("A mind is still working: merge once all have ended.")
    if not whole.completed:
        raise NothingToMerge("There is nothing to merge: no mind has answered.")
    if whole.merge is not None and whole.merge.slot is not None:
        raise MergeInProgress(f"These answers are already being merged by {whole.merge.id}.")
