"""A reader of event streams that behaves like a browser."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

StreamEvent = dict[str, Any]
WITHIN_S = 60.0


def lines(response: httpx.Response) -> Iterator[StreamEvent]:
    """The events of an open stream, each with its `id`."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            event = json.loads(fields["data"])
            assert event["type"] == fields["event"]
            yield {**event, "id": fields["id"]}
            fields = {}


class Reader:
    """Reads one job's stream, drops the connection when asked to, and resumes."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self.events: list[StreamEvent] = []

    @property
    def ended(self) -> bool:
        """Whether the last event has been read."""
        return bool(self.events) and "job" in self.events[-1]

    @property
    def text(self) -> str:
        """The text of a client that applies the events."""
        text = ""
        for event in self.events:
            if event["type"] == "job.delta":
                text += event["text"]
            elif event["type"] == "job.snapshot":
                text = event["text"]
            elif event["type"] == "job.restarted":
                text = ""
        return text

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def read(
        self, until: Callable[[], bool] = lambda: False, *, after: str | None = None
    ) -> "Reader":
        """Resume reading until a condition holds after an event, or to the end."""
        headers = dict(self._headers)
        if self.events or after:
            headers["Last-Event-ID"] = after or self.events[-1]["id"]
        with httpx.stream("GET", self._url, headers=headers, timeout=WITHIN_S) as response:
            assert response.status_code == 200, response.read()
            assert response.headers["Content-Type"].startswith("text/event-stream")
            for event in lines(response):
                self.events.append(event)
                if until():
                    break
        return self

    def read_to_end(self) -> "Reader":
        """Read to the job's end, reconnecting whenever the connection breaks."""
        while not self.ended:
            try:
                self.read()
            except httpx.TransportError:
                continue
        return self

    def check(self) -> None:
        """Check that numbers only grow, and that the text is the job's output."""
        numbers = [event["sequence_number"] for event in self.events]
        assert numbers == sorted(set(numbers))
        assert [event["id"] for event in self.events] == [str(number) for number in numbers]
        assert self.ended
        assert self.events[-1]["job"]["output"] == self.text
