"""A worker takes as many messages as its threads can work on now."""

from collections.abc import Callable

import pytest
from celery import Celery
from celery.worker.consumer import Consumer
from kombu.common import QoS

from tasks.worker.prefetch import SHARED, WORKING, Prefetch

Until = Callable[..., None]
Follow = Callable[[int], tuple[Prefetch, QoS]]


@pytest.fixture
def follow() -> Follow:
    """`follow(threads)`: the prefetch of a pool, and the count of a consumer that it sets."""

    def do(threads: int) -> tuple[Prefetch, QoS]:
        app = Celery(broker="memory://", set_as_current=False)
        consumer: Consumer = app.WorkController(pool="solo", concurrency=threads).consumer
        prefetch = Prefetch(threads, lambda: None)
        prefetch.follow(consumer)
        # As Celery does when the consumer starts.
        channel = app.connection_for_read().channel()
        consumer.qos = QoS(channel.basic_qos, consumer.initial_prefetch_count)
        return prefetch, consumer.qos

    return do


def test_only_so_many_messages_are_taken_as_threads_may_work(follow: Follow) -> None:
    _, count = follow(200)
    assert count.value == WORKING


def test_a_small_pool_takes_a_message_for_each_thread(follow: Follow) -> None:
    prefetch, count = follow(4)
    assert count.value == 4
    prefetch.wait(1)
    assert count.value == 4


def test_fewer_messages_are_taken_while_others_jobs_go_past_them(
    follow: Follow, until: Until
) -> None:
    prefetch, count = follow(200)
    prefetch.work_later(1)

    def shares() -> bool:
        prefetch.share()
        return count.value == SHARED

    until(shares)
    prefetch.wait(3)
    assert count.value == SHARED + 3


def test_a_burst_of_one_user_shares_with_nobody(follow: Follow) -> None:
    prefetch, count = follow(200)
    prefetch.share()
    prefetch.work_later(1)
    prefetch.share()
    assert count.value == WORKING


def test_each_thread_that_waits_makes_room_for_a_message(follow: Follow) -> None:
    prefetch, count = follow(200)
    for _ in range(50):
        prefetch.wait(1)
    assert count.value == WORKING + 50
    for _ in range(50):
        prefetch.wait(-1)
    assert count.value == WORKING


def test_no_more_messages_are_taken_than_there_are_threads(follow: Follow) -> None:
    prefetch, count = follow(WORKING + 2)
    for _ in range(WORKING):
        prefetch.wait(1)
    assert count.value == WORKING + 2


def test_a_thread_that_goes_on_takes_the_room_of_a_message(follow: Follow) -> None:
    prefetch, count = follow(200)
    prefetch.hop(1)
    assert count.value == WORKING - 1
    prefetch.wait(1)
    assert count.value == WORKING
    prefetch.wait(-1)
    prefetch.hop(-1)
    assert count.value == WORKING


def test_the_count_is_never_zero_which_means_no_limit(follow: Follow) -> None:
    prefetch, count = follow(2)
    for _ in range(3):
        prefetch.hop(1)
    assert count.value == 1
    for _ in range(3):
        prefetch.hop(-1)
    assert count.value == 2


def test_a_new_count_of_a_consumer_that_reconnected_is_set_right(follow: Follow) -> None:
    prefetch, count = follow(200)
    for _ in range(10):
        prefetch.wait(1)
    count.value = WORKING  # what a reconnection begins with
    prefetch.wait(1)
    assert count.value == WORKING + 11


def test_a_consumer_that_had_no_room_is_woken_when_it_has_some(follow: Follow) -> None:
    prefetch, _ = follow(200)
    consumer = prefetch._consumer
    assert consumer is not None
    prefetch.wait(1)
    assert not consumer._pending_operations
    prefetch.take(WORKING + 1)
    prefetch.hop(1)
    assert not consumer._pending_operations
    prefetch.hop(-1)
    assert consumer._pending_operations
