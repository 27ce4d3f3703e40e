"""The pause between two batches: for what may come, but not for what is urgent."""

import time

from tasks.events.pause import Pause


def lasts_s(pause: Pause) -> float:
    began = time.monotonic()
    pause()
    return time.monotonic() - began


def test_what_is_urgent_ends_it_while_anything_is_followed() -> None:
    pause = Pause(60)
    pause.note_followed()
    pause.end_early()

    assert lasts_s(pause) < 5


def test_nothing_ends_it_while_nothing_is_followed() -> None:
    pause = Pause(0.05)
    pause.end_early()

    assert lasts_s(pause) >= 0.05


def test_what_may_not_wait_ends_it_always() -> None:
    pause = Pause(60)
    pause.end_early(always=True)

    assert lasts_s(pause) < 5


def test_what_was_sent_with_the_last_batch_does_not_end_it() -> None:
    pause = Pause(0.05)
    pause.note_followed()
    pause.end_early()
    pause.begin_batch()

    assert lasts_s(pause) >= 0.05
