"""What must be true of a simulated world's jobs, whatever has happened to them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.lifecycle.after_commit import after_commit
from models.lifecycle.fence import Fence
from models.session import unit_of_work

# Plain SQL: the checks run after every step, and must cost less than what they check.
_JOBS = text("SELECT * FROM jobs WHERE id = ANY(:jobs)")
_ANSWERS = text(
    "SELECT job_id, count(*), min(content) FROM messages WHERE job_id = ANY(:jobs) GROUP BY job_id"
)


@dataclass(frozen=True)
class Run:
    """A worker's run of one stage; `serial` is its place among all begins of its job."""

    fence: Fence
    starts: int
    serial: int
    number: int  # of the event with which it began
    alone: datetime | None  # the conversation's last change, if no job waited for this one then

    @property
    def columns(self) -> dict[str, Any]:
        """The columns that its stage passes on; an answer names the run that generated it."""
        return {"answer": str(self.fence.token)} if self.fence.stage == "generate" else {}


class Invariants:
    """Jobs, and what is known of each. They are checked after every step of a world."""

    def __init__(self, rng: Random, jobs: list[str]) -> None:
        self.rng = rng
        self.jobs = jobs
        self.broker: list[tuple[str, int, str]] = [(job, 1, "intent") for job in jobs]
        self.runs: list[Run] = []
        self.begun = dict.fromkeys(jobs, 0)
        self.done: dict[str, list[str]] = {job: [] for job in jobs}
        self.ended: dict[str, Any] = {}
        self.answers: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self.paid: Counter[str] = Counter()
        self.story: list[str] = []

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction; released jobs are published, unless the process dies before."""
        with unit_of_work() as session:
            noted = after_commit(session)
            yield session
        for due in noted.released:
            if self.rng.random() < 0.8:
                self.broker.append((due.job_id, due.epoch, due.stage))

    def check(self) -> None:
        """Check that just the completed jobs have an answer, and that ended jobs never change."""
        with self.transaction() as session:
            jobs = session.execute(_JOBS, {"jobs": self.jobs}).all()
            found = session.execute(_ANSWERS, {"jobs": self.jobs}).all()
        for row in jobs:
            assert row.sequence >= self.numbers.get(row.id, 1), f"a number came again: {self.story}"
            assert row.input_tokens == self.paid[row.id], f"billed otherwise: {self.story}"
            self.numbers[row.id] = row.sequence
        rows = [row for row in jobs if row.slot is None]
        completed = {row.id for row in rows if row.status == "completed"}
        assert {job_id for job_id, *_ in found} == completed, self.story
        for job_id, count, content in found:
            assert (count, content) == (1, self.answers[job_id]), self.story
        for row in rows:
            assert self.ended.setdefault(row.id, row) == row, self.story

    def wrote(self, run: Run) -> None:
        """Note that a run has stored its result: only the last one that began may."""
        job_id, stage = run.fence.job_id, run.fence.stage
        assert run.serial == self.begun[job_id], f"a superseded run wrote: {self.story}"
        assert stage not in self.done[job_id], f"{stage} was done twice: {self.story}"
        self.done[job_id].append(stage)
        if "answer" in run.columns:
            self.answers[job_id] = run.columns["answer"]
