"""Threads with a job of the first lane go first."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.execution.precedence import Precedence

SOON_S, LATE_S = 0.01, 60.0
Pauses = Callable[[], bool]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.fixture
def precedence() -> Precedence:
    return Precedence(pause_s=SOON_S, longest_s=LATE_S)


@pytest.fixture
def pauses(precedence: Precedence, threads: ThreadPoolExecutor) -> Pauses:
    """`pauses()`: whether another thread pauses now."""
    return lambda: threads.submit(precedence.give_way).result()


def test_nobody_pauses_while_no_thread_goes_first(precedence: Precedence, pauses: Pauses) -> None:
    assert not pauses()
    with precedence.first():
        assert pauses()
    assert not pauses()


def test_a_thread_that_goes_first_for_long_is_waited_for_no_more(
    threads: ThreadPoolExecutor, until: Callable[..., None]
) -> None:
    precedence = Precedence(pause_s=SOON_S, longest_s=5 * SOON_S)
    with precedence.first():
        until(lambda: not threads.submit(precedence.give_way).result())
        with precedence.first():
            pass
        until(lambda: not threads.submit(precedence.give_way).result())


def test_the_others_go_on_as_soon_as_no_thread_goes_first(threads: ThreadPoolExecutor) -> None:
    precedence = Precedence(pause_s=LATE_S, longest_s=LATE_S)
    with precedence.first(), precedence.first():
        paused = threads.submit(precedence.give_way)
    assert not paused.result(LATE_S / 2)


def test_a_thread_that_goes_first_pauses_for_no_other(
    precedence: Precedence, threads: ThreadPoolExecutor
) -> None:
    def another() -> bool:
        with precedence.first():
            return precedence.give_way()

    with precedence.first():
        assert not threads.submit(another).result()


def test_a_thread_that_waits_for_its_provider_holds_nobody_up(
    precedence: Precedence, pauses: Pauses
) -> None:
    with precedence.first():
        precedence.stand_aside()
        assert not pauses()
        precedence.resume()
        assert pauses()
    assert not pauses()


def test_the_wait_of_another_thread_changes_nothing(
    precedence: Precedence, pauses: Pauses, threads: ThreadPoolExecutor
) -> None:
    with precedence.first():
        threads.submit(precedence.stand_aside).result()
        assert pauses()
        threads.submit(precedence.resume).result()
    assert not pauses()


def test_what_has_begun_is_waited_for_until_its_end(precedence: Precedence, pauses: Pauses) -> None:
    first, second = precedence.begin(), precedence.begin()
    precedence.end(first)
    precedence.end(first)
    assert pauses()
    precedence.end(second)
    assert not pauses()


def test_what_has_no_end_is_waited_for_so_long_only(
    precedence: Precedence, pauses: Pauses, until: Callable[..., None]
) -> None:
    precedence.begin(5 * SOON_S)
    assert pauses()
    until(lambda: not pauses())


def test_a_thread_goes_on_with_what_has_begun(precedence: Precedence, pauses: Pauses) -> None:
    with precedence.first(precedence.begin()):
        assert precedence.is_first
        assert pauses()
    assert not precedence.is_first
    assert not pauses()


def test_an_error_of_a_thread_that_goes_first_ends_its_turn(
    precedence: Precedence, pauses: Pauses
) -> None:
    def fail() -> None:
        with precedence.first():
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not pauses()


def test_many_threads_that_go_first_leave_the_way_free_at_the_end(
    precedence: Precedence, pauses: Pauses, threads: ThreadPoolExecutor
) -> None:
    together = threading.Barrier(4)

    def work() -> None:
        together.wait(LATE_S)
        for _ in range(200):
            with precedence.first():
                precedence.stand_aside()
                precedence.resume()

    for done in [threads.submit(work) for _ in range(4)]:
        done.result()
    assert not pauses()
