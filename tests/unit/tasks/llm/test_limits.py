"""Limits on a provider's silence, answer size and redirects."""

import gzip
import sys
import threading
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from models.errors import (
    ProviderMisconfigured,
    ProviderUnavailable,
    Superseded,
    TransientError,
    UnusableAnswer,
)
from models.spent import NOTHING, Spent
from tasks.bill import Bill
from tasks.execution.precedence import Precedence, precedence
from tasks.execution.work import Work
from tasks.llm.gateway import ask_json, stream
from tasks.llm.models import Target
from tests.unit.tasks.llm.odd import DONE, HELLO, Answer, Handler, chunk, claude, said, sends

At = Callable[..., Target]
Serve = Callable[[Answer], str]
PROTOCOLS = ["openai", "anthropic", "gemini"]
THOUGHT = b'data: {"choices": [{"delta": {"reasoning_content": "Hm"}}]}\n\n'


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """An event that is set after the test, so that a hanging server ends."""
    event = threading.Event()
    yield event
    event.set()


def hangs(over: threading.Event, *parts: bytes, head: bool = True, then: bytes = b"") -> Answer:
    """An answer that is silent after these parts or before the head, then sends `then`."""

    def answer(handler: Handler) -> None:
        if head:
            sends(*parts)(handler)
        over.wait(30)
        if then:
            (handler.wfile.write if head else sends(then))(*([then] if head else [handler]))

    return answer


@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize("before", [b"", b": ping\n\n", THOUGHT])
def test_a_model_may_think_before_its_first_text(
    head: bool, before: bytes, serve: Serve, target_at: At, work: Work
) -> None:
    thinking = threading.Event()
    threading.Timer(0.6, thinking.set).start()
    url = serve(hangs(thinking, before, head=head, then=chunk("Hi", "stop") + DONE))

    made = stream(target_at(url, idle_s=0.2), HELLO, work, limit_s=20)

    assert made.text == "Hi"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("head", [True, False])
def test_a_silent_model_is_unavailable(
    head: bool, protocol: str, over: threading.Event, serve: Serve, target_at: At, work: Work
) -> None:
    target = replace(target_at(serve(hangs(over, head=head)), protocol), first_byte_limit_s=0.3)

    with pytest.raises(ProviderUnavailable, match="was silent for"):
        stream(target, HELLO, work, limit_s=20)


def test_once_it_speaks_a_model_may_not_be_silent_for_long(
    over: threading.Event, serve: Serve, target_at: At, work: Work
) -> None:
    target = target_at(serve(hangs(over, chunk("Hi"))), idle_s=0.3)

    with pytest.raises(ProviderUnavailable, match="was silent for"):
        stream(target, HELLO, work, limit_s=20)

    assert work.bill.spent.output_tokens > 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("head", [True, False])
def test_a_stop_is_noticed_while_the_provider_is_silent(
    head: bool, protocol: str, over: threading.Event, serve: Serve, target_at: At, work: Work
) -> None:
    url = serve(hangs(over, head=head))
    stopped: list[float] = []
    threading.Timer(0.2, lambda: (stopped.append(time.monotonic()), work.stop.set())).start()

    with pytest.raises(Superseded):
        stream(target_at(url, protocol), HELLO, work, limit_s=20)

    assert time.monotonic() - stopped[0] < 2


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("openai", chunk("Hi") + chunk(None, "stop") + DONE),
        ("openai", chunk("Hi") + chunk(None, "stop")),
        ("anthropic", said("Hi") + claude("message_stop")),
        ("anthropic", said("Hi") + claude("message_delta", delta={"stop_reason": "end_turn"})),
    ],
)
def test_a_connection_left_open_after_the_end_delays_nothing(
    protocol: str, body: bytes, over: threading.Event, serve: Serve, target_at: At, work: Work
) -> None:
    target = target_at(serve(hangs(over, body)), protocol, idle_s=0.3)

    assert stream(target, HELLO, work, limit_s=20).text == "Hi"


def test_an_answer_ends_at_its_largest_size(serve: Serve, target_at: At, work: Work) -> None:
    left = threading.Event()

    def endless(handler: Handler) -> None:
        sends()(handler)
        try:
            while True:
                handler.wfile.write(chunk("0123456789"))
        except OSError:
            left.set()

    target = replace(target_at(serve(endless)), max_chars=1005)
    made = stream(target, HELLO, work, limit_s=20)

    assert (len(made.text), made.finish_reason) == (1005, "length")
    assert left.wait(10), "the connection stayed open"


ENDLESS = {
    "a line": b"x" * 65536,
    "a value": b'data: "' + b"x" * 65536,
    "pings": b": ping\n\n" * 4000,
    "thoughts": THOUGHT * 1000,
    "half events": b"data: {\n" * 8000,
}


@pytest.mark.parametrize(
    ("status", "what"), [*((200, what) for what in ENDLESS), (500, "a line"), (429, "pings")]
)
def test_a_provider_that_never_ends_is_bounded_in_memory(
    what: str, status: int, serve: Serve, target_at: At, work: Work
) -> None:
    def endless(handler: Handler) -> None:
        sends(status=status)(handler)
        while True:
            handler.wfile.write(ENDLESS[what])

    target = replace(target_at(serve(endless)), max_chars=1000)
    tracemalloc.start()
    with pytest.raises(TransientError):
        stream(target, HELLO, work, limit_s=20)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 30_000_000


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_an_answer_that_was_packed_unasked_is_unpacked(
    pack: Callable[[bytes], bytes], serve: Serve, target_at: At, work: Work
) -> None:
    coding = "gzip" if pack is gzip.compress else "deflate"
    url = serve(sends(pack(chunk("Hi", "stop") + DONE), content_encoding=coding))

    assert stream(target_at(url), HELLO, work, limit_s=20).text == "Hi"


@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        (gzip.compress(b"\0" * 200_000_000, 1), "gzip"),
        (b"no gzip", "gzip"),
        (chunk("Hi", "stop"), "br"),
    ],
)
def test_what_cant_be_unpacked_or_swells_is_unusable(
    packed: bytes, coding: str, serve: Serve, target_at: At, work: Work
) -> None:
    url = serve(sends(packed, content_encoding=coding))

    with pytest.raises(UnusableAnswer):
        stream(target_at(url), HELLO, work, limit_s=20)
    with pytest.raises(UnusableAnswer):
        ask_json(target_at(url), HELLO, {}, limit_s=20, max_tokens=9)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_carries_a_prompt(
    status: int, protocol: str, serve: Serve, target_at: At, work: Work
) -> None:
    asked = threading.Event()

    def elsewhere(handler: Handler) -> None:
        asked.set()
        sends(chunk("Hi", "stop") + DONE)(handler)

    url = serve(sends(status=status, location=serve(elsewhere) + "/v1/chat/completions"))

    with pytest.raises(ProviderMisconfigured) as caught:
        stream(target_at(url, protocol), HELLO, work, limit_s=20)
    with pytest.raises(ProviderMisconfigured):
        ask_json(target_at(url, protocol), HELLO, {}, limit_s=20, max_tokens=9)

    assert not asked.is_set()
    variable = {"openai": "OPENAI_API_BASE", "anthropic": "ANTHROPIC_API_BASE"}.get(protocol)
    assert variable is None or variable in str(caught.value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("head", [True, False])
def test_a_call_that_is_given_up_while_the_model_thinks_has_cost_its_prompt(
    head: bool, protocol: str, over: threading.Event, serve: Serve, target_at: At, work: Work
) -> None:
    target = replace(target_at(serve(hangs(over, head=head)), protocol), first_byte_limit_s=0.3)

    with pytest.raises(ProviderUnavailable):
        stream(target, HELLO, work, limit_s=20)

    assert work.bill.spent.input_tokens > 0
    assert work.bill.tried[0]["calls"] == 1


def test_a_call_that_was_never_made_costs_nothing(target_at: At, work: Work) -> None:
    with pytest.raises(ProviderUnavailable):
        stream(target_at("http://127.0.0.1:9"), HELLO, work, limit_s=20)

    assert work.bill.spent == NOTHING


@pytest.mark.parametrize("body", [b"no JSON", b'{"choices": [{"message": {"content": ""}}]}'])
def test_a_decision_that_is_none_is_on_the_bill(
    body: bytes, serve: Serve, target_at: At, work: Work
) -> None:
    used = b'{"choices": [], "usage": {"prompt_tokens": 70, "completion_tokens": 7}}'
    for sent, spent in ((body, NOTHING), (used, Spent(70, 7))):
        bill = Bill()
        target = target_at(serve(sends(sent, kind="application/json")))
        with pytest.raises(UnusableAnswer):
            ask_json(target, HELLO, {}, limit_s=20, max_tokens=9, bill=bill)
        assert bill.spent == spent


def pauses() -> bool:
    """Whether a thread lets others go first."""
    return any(
        step.f_code is Precedence.give_way.__code__
        for frame in sys._current_frames().values()
        for step, _ in traceback.walk_stack(frame)
    )


def test_a_call_that_is_stopped_while_it_lets_others_go_first_is_not_made(
    over: threading.Event,
    serve: Serve,
    target_at: At,
    work: Work,
    until: Callable[[Callable[[], bool]], None],
) -> None:
    target = target_at(serve(hangs(over)))

    def is_stopped_meanwhile() -> bool:
        stopped = replace(work, bill=Bill(), stop=threading.Event())
        with ThreadPoolExecutor(1) as threads:
            with precedence.first():
                call = threads.submit(stream, target, HELLO, stopped, limit_s=20)
                until(lambda: call.done() or pauses())
                stopped.stop.set()
                paused = pauses()
            error = call.exception()
        assert isinstance(error, Superseded)
        assert stopped.bill.spent == NOTHING or not paused
        return paused

    until(is_stopped_meanwhile)  # on a busy machine, the pause may be over before
