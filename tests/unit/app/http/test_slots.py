"""One user can have at most half of the slots."""

from contextlib import ExitStack

import pytest

from app.http.errors import TooManyStreams, TooManyStreamsOfYours
from app.http.problems import Problem, Refusal
from app.http.slots import Slots

ALL_TAKEN = Problem(TooManyStreams, "All are taken.")
SHARE_TAKEN = Problem(TooManyStreamsOfYours, "You have half.")


def slots_of(count: int) -> Slots:
    return Slots(count, all_taken=ALL_TAKEN, share_taken=SHARE_TAKEN)


def refusal_of(slots: Slots, user_id: str) -> Problem:
    with pytest.raises(Refusal) as refused, slots.slot(user_id):
        pass
    return refused.value.problem


def test_one_user_has_half_and_all_users_have_all() -> None:
    slots = slots_of(4)

    with ExitStack() as others:
        others.enter_context(slots.slot("one"))
        with slots.slot("one"):
            assert refusal_of(slots, "one") == SHARE_TAKEN
            others.enter_context(slots.slot("two"))
            others.enter_context(slots.slot("two"))
            assert [refusal_of(slots, user) for user in ("two", "three")] == [ALL_TAKEN] * 2
        with slots.slot("three"):
            assert refusal_of(slots, "one") == ALL_TAKEN


def test_a_single_slot_is_anybodys() -> None:
    slots = slots_of(1)

    with slots.slot("one"):
        assert refusal_of(slots, "two") == ALL_TAKEN
    with slots.slot("two"):
        assert refusal_of(slots, "one") == ALL_TAKEN


def test_a_slot_is_free_again_after_a_failure() -> None:
    slots = slots_of(1)

    with pytest.raises(LookupError), slots.slot("one"):
        raise LookupError

    with slots.slot("two"):
        pass
