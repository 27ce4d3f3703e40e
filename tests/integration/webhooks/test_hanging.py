"""Receivers that would hold up whoever sends to them: real ones, which hang, drip or flood."""

import socket
import threading
from typing import Any

from models.session import unit_of_work
from models.webhook_deletion import delete_webhook
from tasks.policies import DELIVER
from tasks.webhooks.attempts import Slots, send_due

from ..receiver import Receiver, receiving
from .conftest import MakeWebhook, add_event, error_of, read_event, sent, sent_in_haste


def test_a_receiver_that_hangs_is_left(make_webhook: MakeWebhook, receiver: Receiver) -> None:
    receiver.respond = lambda _: receiver.over.wait(30)
    assert sent_in_haste(make_webhook(receiver.url)).error == "timeout"


def test_a_head_that_drips_is_left(make_webhook: MakeWebhook, receiver: Receiver) -> None:
    def drip(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not receiver.over.wait(0.05):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    receiver.respond = drip
    assert sent_in_haste(make_webhook(receiver.url)).error == "timeout"


def test_a_body_without_end_is_not_read(make_webhook: MakeWebhook, receiver: Receiver) -> None:
    written, closed = [0], threading.Event()

    def flood(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        try:
            while not receiver.over.is_set():
                written[0] += handler.wfile.write(b"x" * 65536)
        except ConnectionError:
            closed.set()

    receiver.respond = flood
    assert sent(make_webhook(receiver.url)).status == "delivered"
    assert closed.wait(10)
    assert written[0] < 10_000_000_000


def test_a_head_without_end_is_refused(make_webhook: MakeWebhook, receiver: Receiver) -> None:
    def flood(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not receiver.over.is_set():
            handler.wfile.write(b"X-More: " + b"x" * 1000 + b"\r\n")

    receiver.respond = flood
    assert error_of(sent(make_webhook(receiver.url))) == "bad_response"


def test_what_is_no_http_is_a_failure(make_webhook: MakeWebhook, receiver: Receiver) -> None:
    receiver.respond = lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    assert error_of(sent(make_webhook(receiver.url))) == "bad_response"


def test_a_connection_that_breaks_is_a_failure(
    make_webhook: MakeWebhook, receiver: Receiver
) -> None:
    receiver.respond = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)
    assert sent(make_webhook(receiver.url)).status == "pending"


def test_an_answer_that_only_announces_another_is_refused(
    make_webhook: MakeWebhook, receiver: Receiver
) -> None:
    """Reading it would take all of a thread's time, until its limit."""
    written, closed = [0], threading.Event()

    def flood(handler: Any) -> None:
        try:
            while not receiver.over.is_set():
                written[0] += handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
        except ConnectionError:
            closed.set()

    receiver.respond = flood
    assert error_of(sent(make_webhook(receiver.url))) == "bad_response"
    assert closed.wait(10)


def test_a_webhook_that_hangs_has_two_attempts_and_holds_up_no_other(
    make_webhook: MakeWebhook, receiver: Receiver, until: Any
) -> None:
    receiver.respond = lambda _: receiver.over.wait(30)
    hanging = make_webhook(receiver.url)
    events = [add_event(hanging) for _ in range(5)]
    threads = [threading.Thread(target=send_due, args=(hanging.id,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: sum(thread.is_alive() for thread in threads) == DELIVER.of_webhook)
    with receiving() as good:
        assert sent(make_webhook(good.url)).status == "delivered"
    until(lambda: len(receiver.requests) == DELIVER.of_webhook)
    tokens = [read_event(hanging, each).token for each in events]
    assert sum(token is not None for token in tokens) == DELIVER.of_webhook
    with unit_of_work() as session:
        delete_webhook(session, hanging.user_id, hanging.id)
    receiver.over.set()
    for thread in threads:
        thread.join()


def test_the_fewer_slots_are_free_the_fewer_attempts_a_user_may_have() -> None:
    slots = Slots(9)
    assert slots.of_user == 3
    with slots.slot() as first, slots.slot() as second:
        assert (first, second, slots.of_user) == (True, True, 2)
    assert Slots(320).of_user == DELIVER.of_user
    alone = Slots(1)
    with alone.slot() as taken:
        assert (taken, alone.of_user) == (True, 1)
        with alone.slot() as more:
            assert not more
    with alone.slot() as again:
        assert again
