"""A simulated world in which one user sends more than his share."""

from random import Random
from typing import Final

from sqlalchemy import text

from models.jobs import Job

from .conftest import MakeJob, read
from .protocol import World

JOBS_MAX: Final = 8
_SLOTS = text("SELECT slot, lane FROM jobs WHERE id = ANY(:jobs) AND slot IS NOT NULL ORDER BY id")


class ShareWorld(World):
    """A user with this many jobs in flight at most; the others are held."""

    def __init__(self, rng: Random, make_job: MakeJob, share: int) -> None:
        self.make_job, self.share = make_job, share
        self.stranded = False
        super().__init__(rng, [make_job() for _ in range(share + 1)])

    def step(self) -> None:
        """One action, another message, or a job that was left behind."""
        chance = self.rng.random()
        if len(self.jobs) < JOBS_MAX and chance < 0.15:
            self.story.append("submit")
            self.submit()
        elif chance < 0.18:
            self.story.append("strand")
            self.strand()
        else:
            super().step()
            return
        self.check()

    def submit(self) -> None:
        """Another job is accepted; its process may die before it publishes."""
        job_id = self.make_job(priority=self.rng.choice(("interactive", "bulk")))
        self.jobs.append(job_id)
        self.begun[job_id] = 0
        self.done[job_id] = []
        if read(job_id).slot == "queued" and self.rng.random() < 0.8:
            self.broker.append((job_id, 1, "intent"))

    def strand(self) -> None:
        """A job is held although it need not be, as if it was accepted while another one ended."""
        self.stranded = True
        fresh = (Job.slot == "queued") & (Job.stage == "intent") & (Job.status == "queued")
        self._set(fresh, slot="held", queue_lease_until=None)

    def reap(self) -> None:
        """After the reconciler's look, none is left behind."""
        super().reap()
        self.stranded = False

    def check(self) -> None:
        """The checks of every world, and those of a share."""
        super().check()
        with self.transaction() as session:
            rows = session.execute(_SLOTS, {"jobs": self.jobs}).all()
        held = sum(slot == "held" for slot, _ in rows)
        in_flight = len(rows) - held
        assert in_flight <= self.share, f"{in_flight} in flight: {self.story}"
        assert self.stranded or not held or in_flight == self.share, f"held: {self.story}"
