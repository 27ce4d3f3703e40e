"""The bodies of the jobs that were read last, so that a job is rendered once for each change.

A version is asked for at every read: whatever changes a job, in whatever process, changes that too.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from config.once import once

MOST_BYTES: Final = 8 * 1024 * 1024
# What an entry takes besides its body.
OVERHEAD_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class KeptJob:
    """A job as JSON, as of a version. `open_since`: when it was created, unless it has ended."""

    version: str
    body: bytes
    etag: str
    open_since: datetime | None

    @property
    def size(self) -> int:
        """The bytes that it takes."""
        return len(self.body) + OVERHEAD_BYTES


class KeptJobs:
    """Jobs by their id, up to `most_bytes`; those that were read longest ago go first. Thread-safe.

    Ownership is not checked.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, KeptJob] = OrderedDict()
        self._bytes = 0

    def get(self, job_id: str) -> KeptJob | None:
        """The job as it was kept last."""
        with self._lock:
            kept = self._kept.get(job_id)
            if kept is not None:
                self._kept.move_to_end(job_id)
            return kept

    def keep(self, job_id: str, job: KeptJob) -> None:
        """Keep a job, instead of an earlier version."""
        with self._lock:
            self._drop(self._kept.pop(job_id, None))
            if job.size <= self._most_bytes // 8:  # a huge one must not push out all others
                self._kept[job_id] = job
                self._bytes += job.size
            while self._bytes > self._most_bytes:
                self._drop(self._kept.popitem(last=False)[1])

    def _drop(self, job: KeptJob | None) -> None:
        self._bytes -= job.size if job is not None else 0


@once
def kept_jobs() -> KeptJobs:
    """The jobs that this process keeps."""
    return KeptJobs()
