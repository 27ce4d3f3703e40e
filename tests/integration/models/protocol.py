"""A simulated world around the real transitions: a lossy broker, and workers that die.

Each step is one transaction on the real database, or a fault between two of them. The invariants
are checked after every step; time passes only in steps that let it.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import and_, update
from sqlalchemy.orm import Session

from models.broker_marker import adopt_marker
from models.jobs import Job, after
from models.lifecycle.endings import cancel, complete, fail
from models.lifecycle.fence import Fence, now
from models.lifecycle.ownership import adopt, extend_leases, hand_back
from models.lifecycle.reconciliation import (
    end_all_orphans,
    end_all_overdue,
    reap_expired_leases,
    take_due,
    unpublished,
)
from models.lifecycle.survey import survey
from models.lifecycle.track_queue import release_stranded
from models.lifecycle.transitions import begin, checkpoint, wait

from .going_on import DONE, GoingOn
from .invariants import Run

PAST = timedelta(seconds=1)
MANY = 1000


class World(GoingOn):
    """Jobs, their messages in the broker, and the runs in progress."""

    # --- what workers do

    def deliver(self) -> None:
        """A message is delivered; sometimes a copy stays in the broker."""
        if not self.broker:
            return
        message = self.rng.choice(self.broker)
        if self.rng.random() < 0.8:
            self.broker.remove(message)
        fence = Fence(*message, uuid4())
        with self.transaction() as session:
            found = begin(session, fence)
        if found is not None:
            if self.rng.random() < 0.1:  # the commit's reply was lost
                with self.transaction() as session:
                    assert begin(session, fence) is not None
            self.begun[fence.job_id] += 1
            serial = self.begun[fence.job_id]
            self.runs.append(Run(fence, found.starts, serial, found.sequence, found.alone_since))

    def finish(self) -> None:
        """A run finishes: it hands over, checkpoints or adopts, or completes the job."""
        run = self._drop_one()
        if run is None:
            return
        if run.fence.stage == "persist":
            self._complete(run)
        elif not self.goes_on(run) and (epoch := self._checkpoint(run)) is not None:
            self.wrote(run)
            if self.rng.random() < 0.1:  # the commit's reply was lost: all of it again
                assert self._checkpoint(run) is None
            if self.rng.random() < 0.9:  # else it dies before it publishes
                following = after(run.fence.stage)
                assert following is not None
                self.broker.append((run.fence.job_id, epoch, following))

    def die(self) -> None:
        """A worker dies with its run."""
        self._drop_one()

    def postpone(self) -> None:
        """A run waits for its provider."""
        if run := self._drop_one():
            counts = self.rng.random() < 0.5
            delay = timedelta(seconds=self.rng.choice((0, 60)))
            self._try(run, lambda session: wait(session, run.fence, delay, counts=counts))

    def give_up(self) -> None:
        """A run fails its job; rarely, so that most stories continue."""
        if self.rng.random() < 0.1 and (run := self._drop_one()):
            self._try(run, lambda session: fail(session, run.fence, "internal", "It broke.", DONE))

    def beat(self) -> None:
        """A worker's heartbeat for its runs; those that lost their stage stop, if they can."""
        with self.transaction() as session:
            owned = extend_leases(session, [run.fence.token for run in self.runs])
        if self.rng.random() < 0.5:
            self.runs = [run for run in self.runs if run.fence.token in owned]

    def stop(self) -> None:
        """A worker is asked to end; some of its runs may be too far to stop."""
        some = [run for run in self.runs if self.rng.random() < 0.5]
        with self.transaction() as session:
            hand_back(session, [run.fence.token for run in some])

    # --- what befalls them

    def flush(self) -> None:
        """The broker loses everything, which a reconciler notices."""
        self.broker.clear()
        if self.rng.random() < 0.8:
            with self.transaction() as session:
                adopt_marker(session, uuid4().hex)

    def lose(self) -> None:
        """The broker loses one message."""
        if self.broker:
            self.broker.remove(self.rng.choice(self.broker))

    def double(self) -> None:
        """The broker delivers one message twice."""
        if self.broker:
            self.broker.append(self.rng.choice(self.broker))

    def silence(self) -> None:
        """Leases expire."""
        self._set(Job.slot == "running", lease_until=now() - PAST)

    def pass_time(self) -> None:
        """Queue leases and waits expire."""
        self._set(Job.slot == "queued", queue_lease_until=now() - PAST)
        self._set(Job.slot == "waiting", next_attempt_at=now() - PAST)

    def pass_deadline(self) -> None:
        """One job's deadline passes; rarely."""
        if self.rng.random() < 0.05:
            unfinished = and_(Job.id == self.rng.choice(self.jobs), Job.slot.is_not(None))
            self._set(unfinished, expires_at=now() - PAST)

    def cancel(self) -> None:
        """A client cancels; rarely."""
        if self.rng.random() < 0.05:
            with self.transaction() as session:
                cancel(session, self.rng.choice(self.jobs))

    # --- what the reconciler does

    def reap(self) -> None:
        """The reconciler reaps expired leases, ends overdue and orphaned jobs, and releases those
        that were left."""
        stray = survey().stray
        with self.transaction() as session:
            found = end_all_orphans(session, MANY) + end_all_overdue(session, MANY)
            found += reap_expired_leases(session, MANY, settled=timedelta(0))
            found += release_stranded(session, MANY)
        assert stray or not found, f"the survey missed {found} jobs: {self.story}"

    def publish(self) -> None:
        """The reconciler publishes due jobs; or it dies before, or the broker is unavailable."""
        expected = survey().due
        with self.transaction() as session:
            due = take_due(session, MANY)
        assert expected or not due, f"the survey missed {due}: {self.story}"
        fate = self.rng.random()
        if fate < 0.8:
            self.broker += [(one.job_id, one.epoch, one.stage) for one in due]
        elif fate < 0.9:
            with self.transaction() as session:
                unpublished(session, [one.job_id for one in due])

    def step(self) -> None:
        """Something happens."""
        actions, weights = zip(*ACTIONS.items(), strict=True)
        name = self.rng.choices(actions, weights)[0]
        self.story.append(name)
        getattr(self, name)()
        self.check()

    def calm_down(self, rounds: int = 60) -> None:
        """The faults stop; late runs still arrive, and every job must end."""
        for _ in range(rounds):
            if len(self.ended) == len(self.jobs):
                return
            for name in ("silence", "reap", "pass_time", "publish"):
                getattr(self, name)()
            for _ in range(len(self.broker) + len(self.jobs)):
                self.deliver()
                self.finish()
                self.check()
        raise AssertionError(f"{len(self.jobs) - len(self.ended)} jobs stuck after {self.story}")

    def _checkpoint(self, run: Run) -> int | None:
        with self.transaction() as session:
            if checkpoint(session, run.fence, DONE, run.columns):
                return run.fence.epoch
        with self.transaction() as session:
            adopted = adopt(session, run.fence, run.starts)
            if adopted is None:
                return None
            fence = replace(run.fence, epoch=adopted.epoch)
            assert checkpoint(session, fence, DONE, run.columns)
        return adopted.epoch

    def _complete(self, run: Run) -> None:
        with self.transaction() as session:
            done = complete(session, run.fence, DONE)
        if done:
            self.wrote(run)
            with self.transaction() as session:
                assert not complete(session, run.fence, DONE)

    def _try(self, run: Run, write: Any) -> None:
        with self.transaction() as session:
            if write(session):
                assert run.serial == self.begun[run.fence.job_id], self.story

    def _drop_one(self) -> Run | None:
        if not self.runs:
            return None
        run = self.rng.choice(self.runs)
        self.runs.remove(run)
        return run

    def _set(self, which: Any, **columns: Any) -> None:
        with self.transaction() as session:
            _change(session, self.jobs, which, columns)


def _change(session: Session, jobs: list[str], which: Any, columns: dict[str, Any]) -> None:
    session.execute(update(Job).where(Job.id.in_(jobs), which).values(**columns))


# The relative frequency of each action.
ACTIONS = {
    "deliver": 10, "finish": 7, "die": 2, "postpone": 1, "give_up": 1, "beat": 1, "stop": 4,
    "flush": 1, "lose": 2, "double": 2, "silence": 2, "pass_time": 3, "pass_deadline": 1,
    "cancel": 1, "reap": 3, "publish": 5,
}  # fmt: skip
