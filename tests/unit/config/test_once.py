"""What a process has one of is made once, however many threads ask for it first."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from config.once import once

THREADS = 8


def test_threads_that_ask_at_the_same_time_get_the_same_one() -> None:
    made: list[object] = []
    asking = Barrier(THREADS)

    @once
    def part() -> object:
        time.sleep(0.05)  # as long as a connection may take
        made.append(object())
        return made[-1]

    def ask(_: int) -> object:
        asking.wait(10)
        return part()

    with ThreadPoolExecutor(THREADS) as threads:
        got = list(threads.map(ask, range(THREADS)))

    assert len(made) == 1
    assert set(got) == set(made)


def test_other_arguments_make_another() -> None:
    @once
    def part(_name: str) -> object:
        return object()

    assert part("a") is part("a")
    assert part("a") is not part("b")


def test_one_that_is_cleared_is_made_again() -> None:
    @once
    def part() -> object:
        return object()

    first = part()
    part.cache_clear()

    assert part() is not first
