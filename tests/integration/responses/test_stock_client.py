"""The `openai` package's use cases, as in its documentation."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent

from ...chaos.stack import Stack
from ...chaos.workers import Fleet

QUESTION = "Please consider the river and answer."

Until = Callable[..., None]
Events = list[ResponseStreamEvent]


def ended(client: openai.OpenAI, response: Response) -> bool:
    return client.responses.retrieve(response.id).status not in ("queued", "in_progress")


def answered(client: openai.OpenAI, **more: Any) -> Response:
    response = client.responses.create(input=QUESTION, **more)
    assert response.status == "completed"
    return response


def text_of(events: Iterable[Any]) -> str:
    """The text of a client that applies the events."""
    return "".join(e.delta for e in events if e.type == "response.output_text.delta")


def take(stream: openai.Stream[ResponseStreamEvent], until: Callable[[Events], bool]) -> Events:
    """Read a stream until a condition holds, then drop the connection."""
    events: Events = []
    with stream:
        for event in stream:
            events.append(event)
            if until(events):
                break
    return events


def deltas(count: int) -> Callable[[Events], bool]:
    return lambda events: sum(e.type == "response.output_text.delta" for e in events) >= count


def numbers(events: Events) -> list[int]:
    return [event.sequence_number for event in events]


def resume(client: openai.OpenAI, events: Events) -> openai.Stream[ResponseStreamEvent]:
    return client.responses.retrieve(
        response_id(events), stream=True, starting_after=events[-1].sequence_number
    )


def response_id(events: list[Any]) -> str:
    return str(events[0].response.id)


def test_a_response_in_the_background_is_polled_to_its_end(
    client: openai.OpenAI, until: Until
) -> None:
    response = client.responses.create(input=QUESTION, background=True, metadata={"ticket": "7"})
    assert response.status in ("queued", "in_progress")  # as it is by then
    until(lambda: ended(client, response))
    done = client.responses.retrieve(response.id)
    assert (done.status, done.metadata) == ("completed", {"ticket": "7"})
    assert "answers" in done.output_text
    assert done.usage is not None
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens == 26
    assert done.model == "openai/gpt-4o-mini"


def test_a_response_that_is_waited_for_comes_completed(client: openai.OpenAI) -> None:
    response = answered(client, model="one", instructions="Be brief.", temperature=0.0)
    assert response.output_text.startswith("This answers")
    assert (response.background, response.instructions) == (False, "Be brief.")


def test_a_response_is_streamed_as_the_package_expects_it(client: openai.OpenAI) -> None:
    events = list(client.responses.create(input=QUESTION, stream=True))
    kinds = [event.type.removeprefix("response.") for event in events]
    assert kinds[:4] == ["created", "in_progress", "output_item.added", "content_part.added"]
    assert set(kinds[4:-4]) == {"output_text.delta"}
    assert kinds[-4:] == [
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    last: Any = events[-1]
    assert text_of(events) == last.response.output_text
    assert last.response.output_text == client.responses.retrieve(last.response.id).output_text


def test_the_packages_own_reader_puts_the_response_together(client: openai.OpenAI) -> None:
    with client.responses.stream(input=QUESTION, model="auto") as stream:
        snapshots = [e.snapshot for e in stream if e.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert snapshots[-1] == final.output_text != ""


@pytest.mark.usefixtures("slowly")
def test_a_reader_that_is_cut_off_after_every_event_lacks_and_repeats_nothing(
    client: openai.OpenAI,
) -> None:
    stream = client.responses.create(input=QUESTION, background=True, stream=True)
    events = take(stream, lambda read: True)
    while events[-1].type != "response.completed":
        events += take(resume(client, events), lambda read: True)
    last: Any = events[-1]
    assert text_of(events) == last.response.output_text
    assert all(first < second for first, second in pairwise(numbers(events)))
    kinds: list[str] = [event.type for event in events]
    assert [kinds.count(f"response.{kind}") for kind in ("created", "queued", "in_progress")] == [
        1,
        1,
        1,
    ]
    done: Any = events[kinds.index("response.output_text.done")]
    assert done.text == last.response.output_text
    assert kinds.count("response.output_text.delta") > 5


@pytest.mark.usefixtures("slowly")
def test_a_web_process_that_is_killed_costs_a_reader_nothing(
    client: openai.OpenAI, stack: Stack
) -> None:
    stream = client.responses.create(input=QUESTION, background=True, stream=True)
    events = take(stream, deltas(3))
    stack.kill_web()
    events += list(resume(client, events))
    last: Any = events[-1]
    assert last.type == "response.completed"
    assert text_of(events) == last.response.output_text
    assert all(first < second for first, second in pairwise(numbers(events)))


@pytest.mark.usefixtures("slowly")
def test_a_text_that_is_made_again_after_a_crash_and_is_the_same_goes_on(
    client: openai.OpenAI, fleet: Fleet
) -> None:
    stream = client.responses.create(input=QUESTION, background=True, stream=True)
    events: Events = []
    for event in stream:
        events.append(event)
        if deltas(3)(events) and not deltas(4)(events):
            for worker in fleet.workers:
                worker.kill()
    last: Any = events[-1]
    assert last.type == "response.completed"
    assert text_of(events) == last.response.output_text
    assert all(first < second for first, second in pairwise(numbers(events)))


@pytest.mark.usefixtures("slowly")
def test_resuming_a_text_that_is_gone_is_an_error_and_the_response_can_be_read(
    client: openai.OpenAI, fleet: Fleet, until: Until
) -> None:
    stream = client.responses.create(input=QUESTION, background=True, stream=True)
    events = take(stream, deltas(3))
    for worker in fleet.workers:
        worker.kill()
    response = client.responses.retrieve(response_id(events))
    until(lambda: ended(client, response))
    with pytest.raises(openai.APIError, match=response_id(events)) as gone:
        list(resume(client, events))
    assert gone.value.code == "response_restarted"
    whole = list(client.responses.retrieve(response_id(events), stream=True))
    last: Any = whole[-1]
    assert text_of(whole) == last.response.output_text != ""


@pytest.mark.usefixtures("slowly")
def test_a_response_is_cancelled_in_the_middle_of_its_stream(client: openai.OpenAI) -> None:
    stream = client.responses.create(input=QUESTION, background=True, stream=True)
    events: list[Any] = []
    for event in stream:
        events.append(event)
        if deltas(3)(events):
            first = client.responses.cancel(response_id(events))
            assert first.status == "cancelled"
            break
    events += list(stream)
    assert events[-1].type == "response.cancelled"
    assert client.responses.cancel(response_id(events)).status == "cancelled"
    assert client.responses.retrieve(response_id(events)).status == "cancelled"


def test_a_response_that_is_completed_can_not_be_cancelled(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="completed") as refused:
        client.responses.cancel(answered(client).id)
    assert refused.value.code == "job_completed"


def test_a_response_goes_on_from_another_and_two_from_the_same(
    client: openai.OpenAI, stack: Stack
) -> None:
    first = answered(client)
    forks = [answered(client, previous_response_id=first.id) for _ in range(2)]
    end = answered(client, previous_response_id=forks[0].id)
    assert [call["messages"] for call in stack.calls()[-4:]] == [2, 4, 4, 6]
    assert {fork.previous_response_id for fork in forks} == {first.id}
    assert len({r.conversation.id for r in (first, *forks, end) if r.conversation}) == 1


def test_a_talk_may_be_kept_by_the_client_itself(client: openai.OpenAI, stack: Stack) -> None:
    """As in the package's documentation, append `output` to the next call's `input`."""
    talk: list[Any] = [{"role": "user", "content": QUESTION}]
    first = client.responses.create(input=talk)
    talk += first.output
    talk.append({"role": "user", "content": "And now?"})
    assert client.responses.create(input=talk).status == "completed"
    assert [call["messages"] for call in stack.calls()[-2:]] == [2, 4]


def test_errors_are_the_packages_own(client: openai.OpenAI, stack: Stack) -> None:
    unknown = "resp_01K8Z5M5V4Q2W9X7Y3T1N6P0RC"
    with pytest.raises(openai.BadRequestError) as model:
        client.responses.create(input=QUESTION, model="gpt-4o")
    with pytest.raises(openai.BadRequestError) as tools:
        client.responses.create(input=QUESTION, tools=[{"type": "web_search"}], stream=True)
    with pytest.raises(openai.BadRequestError) as previous:
        client.responses.create(input=QUESTION, previous_response_id=unknown)
    with pytest.raises(openai.NotFoundError) as nothing:
        client.responses.retrieve(unknown)
    with pytest.raises(openai.AuthenticationError) as key:
        client.with_options(api_key="tm_wrong").responses.create(input=QUESTION)
    told = [(e.value.param, e.value.code) for e in (model, tools, previous, nothing, key)]
    assert told == [
        ("model", "model_not_found"),
        ("tools", "unsupported_parameter"),
        ("previous_response_id", "previous_response_not_found"),
        (None, "not_found"),
        (None, "invalid_api_key"),
    ]
    jobs = httpx.get(f"{stack.web}/v1/jobs?limit=1", headers={"Authorization": "Bearer tm_wrong"})
    assert jobs.headers["Content-Type"] == "application/problem+json"


def test_a_key_makes_a_call_once(client: openai.OpenAI) -> None:
    headers = {"Idempotency-Key": "the-same"}
    first, again = (
        client.responses.create(input=QUESTION, extra_headers=headers) for _ in range(2)
    )
    assert (first.id, first.output_text) == (again.id, again.output_text)
