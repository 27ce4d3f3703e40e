"""A job's events, as its stream sends them (server-sent events)."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

Event = dict[str, Any]

DATA: Final = "data: "


def read_events(lines: Iterable[str]) -> Iterator[Event]:
    """The events in the lines of a stream. Each is one line of JSON with a `type`, so that all
    other lines (`id`, `event`, comments) can be passed over."""
    for line in lines:
        if line.startswith(DATA):
            yield cast(Event, json.loads(line.removeprefix(DATA)))
