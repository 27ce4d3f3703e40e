"""A cached value expires."""

import threading
from itertools import count

import pytest

from app.ops.ttl_cache import SingleFlightCache

LONG_S = 60


def test_a_fresh_value_is_not_loaded_again():
    answers = count()
    remembered = SingleFlightCache(lambda: next(answers), fresh_s=LONG_S, stale_s=LONG_S)

    assert [remembered() for _ in range(3)] == [0, 0, 0]


def test_after_it_somebody_does():
    answers = count()
    remembered = SingleFlightCache(lambda: next(answers), fresh_s=0, stale_s=LONG_S)

    assert [remembered() for _ in range(3)] == [0, 1, 2]


def test_many_who_come_first_at_once_cost_one_question(together):
    answers = count()
    remembered = SingleFlightCache(lambda: next(answers), fresh_s=LONG_S, stale_s=LONG_S)

    assert together(20, remembered) == [0] * 20


def test_while_one_asks_the_others_take_the_last_answer():
    asking, go_on, answers = threading.Event(), threading.Event(), count()

    def ask() -> int:
        answer = next(answers)
        if answer:
            asking.set()
            assert go_on.wait(10)
        return answer

    remembered = SingleFlightCache(ask, fresh_s=0, stale_s=LONG_S)
    remembered()
    slow = threading.Thread(target=remembered)
    slow.start()
    assert asking.wait(10)

    assert remembered() == 0

    go_on.set()
    slow.join(10)


def test_concurrent_callers_wait_for_the_first_load():
    asking, go_on, answers, got = threading.Event(), threading.Event(), count(), []

    def ask() -> int:
        asking.set()
        assert go_on.wait(10)
        return next(answers)

    remembered = SingleFlightCache(ask, fresh_s=LONG_S, stale_s=LONG_S)
    both = [threading.Thread(target=lambda: got.append(remembered())) for _ in range(2)]
    for each in both:
        each.start()
    assert asking.wait(10)
    assert got == []
    go_on.set()
    for each in both:
        each.join(10)

    assert got == [0, 0]


def test_a_failed_load_is_repeated():
    answers = iter([None, 7])

    def ask() -> int:
        if (answer := next(answers)) is None:
            raise RuntimeError("away")
        return answer

    remembered = SingleFlightCache(ask, fresh_s=LONG_S, stale_s=LONG_S)

    with pytest.raises(RuntimeError):
        remembered()
    assert remembered() == 7
