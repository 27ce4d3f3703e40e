"""How long a job stood still after a fault, by the workers' own logs."""

from collections.abc import Iterable

from .workers import Fleet

GOES_ON = {"stage started", "stage finished", "result adopted"}


class Recovery:
    """Who was hit, and when; afterwards, when each went on."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._hits: list[tuple[float, str]] = []

    def hit(self, at: float, job_ids: Iterable[str]) -> None:
        """These jobs were hit by a fault at this time."""
        self._hits += [(at, job_id) for job_id in job_ids]

    def seconds(self) -> list[float]:
        """For each hit, until the job's work went on; a job that was cancelled or so has none."""
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
