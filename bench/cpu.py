"""CPU time of processes."""

from collections.abc import Iterable

import psutil


def spent_s(pids: Iterable[int]) -> float:
    """CPU seconds of these processes with all their descendants, the ended ones too."""
    seconds = 0.0
    for pid in pids:
        first = psutil.Process(pid)
        for process in [first, *first.children(recursive=True)]:
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds
