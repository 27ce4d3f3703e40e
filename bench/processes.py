"""CPU time and memory of processes."""

from collections.abc import Iterable

import psutil


def tree(pid: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def spent_s(pids: Iterable[int]) -> float:
    """CPU seconds of these processes with all their descendants, the ended ones too."""
    times = [process.cpu_times() for pid in pids for process in tree(pid)]
    return float(
        sum(one.user + one.system + one.children_user + one.children_system for one in times)
    )


def rss(pid: int) -> float:
    """Resident bytes of a process and its descendants; shared pages count in each."""
    return float(sum(process.memory_info().rss for process in tree(pid)))
