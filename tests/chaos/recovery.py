"""How long a job made no progress after a fault, from the workers' logs."""

from collections.abc import Iterable

from .workers import Fleet

GOES_ON = {"stage started", "stage finished", "result adopted"}


class Recovery:
    """Which jobs were hit when, and when each continued."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._hits: list[tuple[float, str]] = []

    def hit(self, at: float, job_ids: Iterable[str]) -> None:
        """Record that a fault hit these jobs at this time."""
        self._hits += [(at, job_id) for job_id in job_ids]

    def seconds(self) -> list[float]:
        """The seconds from each hit to the job's next progress; jobs that ended have none."""
        moves: dict[str, list[float]] = {}
        for worker in self._fleet.workers:
            for line in worker.lines():
                if line["event"] in GOES_ON:
                    moves.setdefault(line["job_id"], []).append(line["at"])
        return [
            min(later) - at
            for at, job_id in self._hits
            if (later := [move for move in moves.get(job_id, []) if move > at])
        ]
