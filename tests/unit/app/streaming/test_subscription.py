"""A subscription: ordered, with bounded waits and bounded memory."""

import asyncio
import threading
import time

from app.streaming.subscription import MAX_QUEUED, Subscription
from tasks.events.envelope import END, Envelope

TEXT = Envelope("text", 3, 4, {"text": "a"})


def test_what_other_threads_put_is_heard_in_order() -> None:
    async def hear() -> list[object]:
        subscription = Subscription()
        putting = threading.Thread(
            target=lambda: [subscription.put("job", envelope) for envelope in (TEXT, None)]
        )
        putting.start()
        heard: list[object] = [await subscription.get(5), await subscription.get(5)]
        putting.join()
        return heard

    assert asyncio.run(hear()) == [("job", TEXT), ("job", None)]


def test_what_has_come_meanwhile_is_taken_at_once() -> None:
    async def hear() -> tuple[object, list[object], list[object]]:
        subscription = Subscription()
        for envelope in (TEXT, None, END):
            subscription.put("job", envelope)
        first = await subscription.get(5)
        return first, [*subscription.take_queued()], [*subscription.take_queued()]

    assert asyncio.run(hear()) == (("job", TEXT), [("job", None), ("job", END)], [])


def test_nothing_is_heard_within_the_time_and_at_the_end() -> None:
    async def hear() -> tuple[object, object, bool]:
        subscription = Subscription()
        late = await subscription.get(0.01)
        subscription.end()
        began = time.monotonic()
        ended = await subscription.get(60)
        assert time.monotonic() - began < 5
        return late, ended, subscription.ended

    assert asyncio.run(hear()) == (None, None, True)


def test_a_lagging_reader_has_to_read_the_rows() -> None:
    async def hear() -> list[object]:
        subscription = Subscription()
        for _ in range(MAX_QUEUED):
            subscription.put("one", TEXT)
        subscription.put("two", TEXT)
        await asyncio.sleep(0)
        return [await subscription.get(5), await subscription.get(5), await subscription.get(0)]

    *heard, nothing = asyncio.run(hear())

    assert (set(heard), nothing) == ({("one", None), ("two", None)}, None)


def test_it_waits_until_its_channels_are_open_but_not_for_ever() -> None:
    async def wait() -> tuple[bool, bool]:
        subscription = Subscription()
        began = time.monotonic()
        subscription.note_closed({"a", "b"})
        await subscription.wait_until_open(0.05)
        waited = time.monotonic() - began >= 0.05
        subscription.opened("a")
        subscription.opened("b")
        began = time.monotonic()
        await subscription.wait_until_open(60)
        return waited, time.monotonic() - began < 5

    assert asyncio.run(wait()) == (True, True)


def test_a_channel_that_opens_before_it_is_waited_for_is_open() -> None:
    async def wait() -> float:
        subscription = Subscription()
        subscription.note_closed({"a"})
        subscription.opened("a")
        await asyncio.sleep(0)
        began = time.monotonic()
        await subscription.wait_until_open(60)
        return time.monotonic() - began

    assert asyncio.run(wait()) < 5


def test_one_that_waits_for_ends_is_told_of_nothing_else() -> None:
    async def hear() -> list[object]:
        subscription = Subscription(only_ends=True)
        for envelope in (TEXT, END, None):
            subscription.put("job", envelope)
        return [await subscription.get(5), await subscription.get(5)]

    assert asyncio.run(hear()) == [("job", END), ("job", None)]


def test_a_loop_that_has_ended_is_no_problem() -> None:
    async def make() -> Subscription:
        return Subscription()

    subscription = asyncio.run(make())

    subscription.put("job", TEXT)
    subscription.end()

    assert not subscription.ended
