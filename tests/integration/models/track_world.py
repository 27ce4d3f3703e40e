"""A simulated world in which one track keeps receiving messages while its jobs run."""

from random import Random
from typing import Any

from sqlalchemy import delete, select, text

from models.conversations import Conversation, Message
from models.jobs import Job
from models.lifecycle.deletion import delete_conversation

from .conftest import MakeJob, read
from .protocol import World

JOBS_MAX = 6
_LINE = text("SELECT id, slot FROM jobs WHERE id = ANY(:jobs) AND slot IS NOT NULL")
_ANSWERED = text("SELECT job_id FROM messages WHERE job_id = ANY(:jobs) ORDER BY position")
# What becomes of the conversation before the faults stop: nothing; it is deleted; it is deleted by
# hand; its messages are.
FATES = ("kept", "deleted", "lost", "emptied")


class TrackWorld(World):
    """One conversation and one mind; it may be deleted at the end."""

    def __init__(self, rng: Random, make_job: MakeJob) -> None:
        super().__init__(rng, [make_job()])
        self.make_job = make_job
        self.conversation = read(self.jobs[0]).conversation_id
        self.user = read(self.jobs[0]).user_id
        self.fate = "kept"

    def step(self) -> None:
        """One action, or another message."""
        if len(self.jobs) < JOBS_MAX and self.rng.random() < 0.15:
            self.story.append("submit")
            self.submit()
            self.check()
        else:
            super().step()

    def submit(self) -> None:
        """Another job is accepted; its process may die before it publishes."""
        job_id = self.make_job(conversation_id=self.conversation)
        self.jobs.append(job_id)
        self.begun[job_id] = 0
        self.done[job_id] = []
        if read(job_id).slot == "queued" and self.rng.random() < 0.8:
            self.broker.append((job_id, 1, "intent"))

    def meet(self, fate: str) -> None:
        """The conversation meets its fate, whatever its jobs are doing."""
        self.story.append(fate)
        self.fate = fate
        with self.transaction() as session:
            if fate == "deleted":
                assert delete_conversation(session, self.user, self.conversation or "")
            elif fate == "lost":
                session.execute(delete(Conversation).where(Conversation.id == self.conversation))
            elif fate == "emptied":
                said = Message.conversation_id == self.conversation
                session.execute(delete(Message).where(said))
        self.check()
        if fate == "deleted":
            assert len(self.ended) == len(self.jobs), self.story

    def check(self) -> None:
        """The checks of every world, and that the track is a queue."""
        if self.fate == "kept":
            super().check()
            self._check_line()
        else:
            self._check_ends()

    def _check_line(self) -> None:
        with self.transaction() as session:
            line = session.execute(_LINE, {"jobs": self.jobs}).all()
            answered = session.scalars(_ANSWERED, {"jobs": self.jobs}).all()
        slots = [slot for _, slot in sorted(line, key=lambda job: self.jobs.index(job.id))]
        assert slots[1:] == ["blocked"] * len(slots[1:]), (slots, self.story)
        assert slots[:1] != ["blocked"], f"nobody is ahead: {self.story}"
        assert sorted(answered, key=self.jobs.index) == answered, f"out of order: {self.story}"

    def _check_ends(self) -> None:
        """Ended jobs stay as they are; the others are cancelled."""
        with self.transaction() as session:
            rows: list[Any] = list(
                session.execute(
                    select(Job.id, Job.status, Job.partial, Job.prompt).where(
                        Job.id.in_(self.jobs), Job.slot.is_(None)
                    )
                )
            )
        for row in rows:
            known = self.ended.setdefault(row.id, row)
            assert row.status == known.status, self.story
            assert known is not row or row.status == "cancelled", (row.status, self.story)
