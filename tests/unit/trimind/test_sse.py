"""Events are the same however their bytes are cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimind.sse import EventReader, Received

EVENTS = st.dictionaries(st.text(), st.text() | st.integers())
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@given(st.lists(EVENTS, max_size=5), LINE_ENDS, st.lists(st.integers(1, 40), min_size=1))
def test_events_are_read_whole_wherever_they_are_cut(
    events: list[dict[str, object]], end: str, sizes: list[int]
) -> None:
    lines = ["retry: 2000", ": nothing new"]
    for number, event in enumerate(events):
        lines += [f"id: {number}", "event: any", f"data: {json.dumps(event)}", ""]
    text = "".join(line + end for line in lines).encode()
    reader = EventReader()
    received: list[Received] = []
    while text:
        size = sizes[len(text) % len(sizes)]
        received += reader.read(text[:size])
        text = text[size:]
    assert [each.event for each in received] == events
    assert [each.position for each in received] == [str(n) for n in range(len(events))]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_data_of_several_lines_is_one_event(end: str) -> None:
    text = end.join(['data:{"a":', "data: 1}", "id", "", ""]).encode()
    pieces = [text[n : n + 1] for n in range(len(text))]
    reader = EventReader()
    assert [each.event for piece in pieces for each in reader.read(piece)] == [{"a": 1}]


def test_comments_are_forgotten_however_many_there_are() -> None:
    reader = EventReader()
    for _ in range(300):
        assert list(reader.read(b": " + b"a" * 65_536 + b"\n")) == []
    assert [each.event for each in reader.read(b"data: {}\n\n")] == [{}]
