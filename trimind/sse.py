"""Server-sent events, read from the bytes of a stream (https://html.spec.whatwg.org, 9.2)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from trimind.errors import UnexpectedAnswer
from trimind.objects import Event
from trimind.replies import parse_object

# The last event has the whole job.
EVENT_MAX_BYTES: Final = 16 * 1024 * 1024
LINE_END: Final = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Received:
    """An event, and the position in the stream after it."""

    event: Event
    position: str


class EventReader:
    """Reads one connection. An event that its end cuts off is not returned."""

    def __init__(self) -> None:
        self._line: list[bytes] = []  # the beginning of a line whose end has not come yet
        self._data: list[bytes] = []
        self._bytes = 0
        self._position = ""
        self._after_cr = False

    def read(self, piece: bytes) -> Iterator[Received]:
        """The events that this piece completes.

        Raises UnexpectedAnswer if one is no JSON object, or exceeds `EVENT_MAX_BYTES`.
        """
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
        self._after_cr = piece.endswith(b"\r")
        *lines, rest = LINE_END.split(piece)
        for line in lines:
            self._keep(line)
            whole = b"".join(self._line)
            self._line.clear()
            if received := self._read_line(whole):
                yield received
        self._keep(rest)

    def _keep(self, part: bytes) -> None:
        self._bytes += len(part)
        if self._bytes > EVENT_MAX_BYTES:
            raise UnexpectedAnswer(f"An event is larger than {EVENT_MAX_BYTES} bytes.")
        if part:
            self._line.append(part)

    def _read_line(self, line: bytes) -> Received | None:
        if not line:
            return self._end_event()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        else:  # `event` and `retry` are not needed; comments have no name
            self._bytes -= len(line)
        if name == b"id" and b"\0" not in value:
            self._position = value.decode(errors="replace")
        return None

    def _end_event(self) -> Received | None:
        data, self._data = self._data, []
        self._bytes = 0
        return Received(parse_object(b"\n".join(data)), self._position) if data else None
