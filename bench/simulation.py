"""A model of queues, workers and the reconciler, a second at a time, from the costs that were
measured.

It follows what the code does: a job whose message is lost waits in the database until its queue
lease expires. A reconciler publishes a batch of due jobs at each look, or several while few
messages wait, the oldest first; among them are jobs whose message merely waits in a long queue. A
worker starts a job if it has a free thread and a share of its core.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import Final

QUEUE_LEASE_MAX_S: Final = 3600


@dataclass(frozen=True)
class Costs:
    """CPU in ms of one job, per process (docs/performance.md), and of the reconciler's look."""

    web: float = 3.0
    worker: float = 9.4
    postgres: float = 3.5
    redis: float = 0.2
    flower: float = 1.0
    dropped: float = 1.0  # a second copy of a message, at a worker
    look: float = 2.1
    look_per_job: float = 0.0005


@dataclass(frozen=True)
class Pace:
    """How fast the code is allowed to work, by its own constants and the settings' defaults."""

    threads: int = 256
    reconcile_every_s: float = 2
    reconciled_at_once: int = 200
    batches: int = 5
    few_waiting: int = 1000
    queue_lease_s: int = 30
    lease_s: int = 30
    deadline_s: int = 3600
    expired_at_once: int = 2000
    sweep_every_s: float = 5
    connections_a_process: int = 5


@dataclass(frozen=True)
class Trouble:
    """What happens at a moment: Redis is unavailable for so long, or a part of the workers dies and
    is replaced at once."""

    name: str
    away_s: int = 0
    dead_part: float = 0.0


@dataclass
class Course:
    """What has come of a trouble. Times are in seconds since it began.

    `queued` is the longest queue, `again_s` when the last lost message was published again, and
    `recovered_s` when no more jobs than before waited; None: not within the simulated time.
    """

    queued: int = 0
    again_s: int = 0
    recovered_s: int | None = None
    expired: int = 0
    copies: int = 0
    accepted: int = 0
    finished: int = 0
    left: int = 0


@dataclass
class _Some:
    """Jobs that were accepted in the same second and have fared alike."""

    accepted_at: int
    number: int
    due_at: float
    lease_s: int
    lost: bool = False


@dataclass
class System:
    """An installation under a constant load.

    Args:
        jobs_s: how many jobs are accepted in a second.
        processes: worker processes, of a core each.
        calls_s: how long the provider takes for all calls of a job.
    """

    jobs_s: float
    processes: int
    calls_s: float
    pace: Pace = field(default_factory=Pace)
    costs: Costs = field(default_factory=Costs)

    def __post_init__(self) -> None:
        self.now = self.queued = 0
        self.course = Course()
        self._broker: deque[_Some] = deque()
        self._due: list[tuple[float, int, _Some]] = []
        self._ripe: list[tuple[int, int, _Some]] = []
        self._running: deque[tuple[int, _Some]] = deque()
        self._threads = self._lost = 0
        self._copies = self._room = self._batch = 0.0
        self._order = count()
        self._away_until = 0

    @property
    def unfinished(self) -> int:
        """How many jobs have not ended."""
        return self.queued + self._threads

    def run(self, seconds: int) -> None:
        """Let so many seconds pass."""
        for _ in range(seconds):
            self._reconcile()
            self._accept()
            self._finish()
            self._start()
            self.now += 1
            self.course.queued = max(self.course.queued, self.queued)

    def suffer(self, trouble: Trouble, within_s: int) -> Course:
        """Let a trouble begin, and tell its course."""
        before, began = self.queued, self.now
        self.course = Course()
        self._away_until = self.now + trouble.away_s
        self._lose_workers(trouble.dead_part)
        while self.now < began + within_s:
            self.run(1)
            if self._lost:
                self.course.again_s = self.now - began
            elif self.now > self._away_until and self.queued <= before + self.jobs_s:
                self.course.recovered_s = self.now - began
                break
        self.course.left = self.unfinished
        return self.course

    # --- a second

    def _accept(self) -> None:
        number = round(self.jobs_s * (self.now + 1)) - round(self.jobs_s * self.now)
        if number:
            lease_s = self.pace.queue_lease_s
            some = _Some(self.now, number, self.now + lease_s, lease_s)
            some.lost = self.now < self._away_until
            self._wait(some)
            self.course.accepted += number

    def _wait(self, some: _Some) -> None:
        heapq.heappush(self._due, (some.due_at, next(self._order), some))
        self.queued += some.number
        if some.lost:
            self._lost += some.number
        else:
            self._broker.append(some)

    def _reconcile(self) -> None:
        """Publish again what is due, the oldest first; of jobs that merely wait, a second copy."""
        while self._due and self._due[0][0] <= self.now:
            *_, some = heapq.heappop(self._due)
            if some.number:
                heapq.heappush(self._ripe, (some.accepted_at, next(self._order), some))
        if self.now < self._away_until:
            return
        every_s, at_once = self.pace.reconcile_every_s, self.pace.reconciled_at_once
        most = self.pace.batches * at_once / every_s
        # What it has taken too much, the next looks lack.
        self._batch = min(self._batch + at_once / every_s, at_once / every_s)
        self._room = min(self._room + most, most)
        while self._ripe and self._room >= 1 and (self._batch >= 1 or self._few_wait):
            *_, some = heapq.heappop(self._ripe)
            if some.number:
                self._batch -= some.number
                self._room -= some.number
                self._publish(some)

    @property
    def _few_wait(self) -> bool:
        return self.queued - self._lost < self.pace.few_waiting

    def _publish(self, some: _Some) -> None:
        if some.lost:
            some.lost = False
            self._lost -= some.number
            self._broker.append(some)
        else:
            self._copies += some.number
            self.course.copies += some.number
        some.lease_s = min(some.lease_s * 2, QUEUE_LEASE_MAX_S)
        some.due_at = self.now + some.lease_s
        heapq.heappush(self._due, (some.due_at, next(self._order), some))

    def _finish(self) -> None:
        while self._running and self._running[0][0] <= self.now:
            _, some = self._running.popleft()
            self._threads -= some.number
            self.course.finished += some.number

    def _start(self) -> None:
        """Start what there is a core and a thread for."""
        if self.now < self._away_until:
            return
        ms = self.processes * 1000.0
        dropped = min(self._copies, ms / self.costs.dropped)
        self._copies -= dropped
        by_core = (ms - dropped * self.costs.dropped) / self.costs.worker
        room = int(min(by_core, self.processes * self.pace.threads - self._threads))
        while self._broker and room > 0:
            some = self._broker[0]
            if some.accepted_at + self.pace.deadline_s < self.now:
                self.course.expired += some.number
                self.queued -= some.number
                some.number = 0
            taken = min(some.number, room)
            if taken:
                ends_at = self.now + max(1, round(self.calls_s))
                self._running.append((ends_at, _Some(some.accepted_at, taken, 0, 0)))
            some.number -= taken
            room -= taken
            self.queued -= taken
            self._threads += taken
            if not some.number:
                self._broker.popleft()

    # --- troubles

    def _lose_workers(self, part: float) -> None:
        """Their runs are given up when the lease expires."""
        for _, some in self._running:
            dead = round(some.number * part)
            some.number -= dead
            self._threads -= dead
            if dead:
                due_at = self.now + self.pace.lease_s
                self._wait(
                    _Some(some.accepted_at, dead, due_at, self.pace.queue_lease_s, lost=True)
                )
