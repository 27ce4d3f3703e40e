"""Parse the JSON values in an answer's bytes, whether it is an event stream or not.

Lines end with CR, LF or CRLF only (WHATWG HTML 9.2.6): U+2028, U+2029 and U+0085 are text. Beyond
the standard, a value is taken as soon as its line is complete, for servers that send no blank
lines, and a body that is not an event stream (one JSON value, or one per line) is read too.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

BOM: Final = b"\xef\xbb\xbf"
OVER: Final = object()
_FIELDS: Final = frozenset({b"event", b"id", b"retry"})
_decode: Final = json.JSONDecoder(strict=False).decode


class MalformedAnswer(Exception):
    """The body is neither an event stream nor JSON, or exceeds the size limit."""


class CutOff(Exception):
    """The stream ended in the middle of an event."""


def values(chunks: Iterable[bytes], limit: int) -> Iterator[Any]:
    """Yield the JSON values of an answer in order, and `OVER` for `[DONE]`. Lists are flattened.

    Raises:
        MalformedAnswer: if it can't be parsed, or a value exceeds `limit` bytes.
        CutOff: if it ends in the middle of a value.
    """
    reader = _Reader(limit)
    for line in lines(chunks, limit):
        if line or reader.is_holding:  # most empty lines end nothing
            yield from reader.take(line)
    yield from reader.end()


def lines(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Yield the lines of a stream without their ends.

    Raises:
        MalformedAnswer: if a line exceeds `limit` bytes.
    """
    parts: list[bytes] = []
    size, after_cr, first = 0, False, True
    for chunk in chunks:
        if after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        if not chunk:
            continue
        after_cr = chunk.endswith(b"\r")
        for line in chunk.splitlines(keepends=True):
            size += len(line)
            if size > limit:
                raise MalformedAnswer("a line exceeds the size limit")
            parts.append(line)
            if line.endswith((b"\n", b"\r")):
                whole = b"".join(parts) if len(parts) > 1 else line
                parts, size = [], 0
                yield whole.removeprefix(BOM).rstrip(b"\r\n") if first else whole.rstrip(b"\r\n")
                first = False
    if parts:
        yield b"".join(parts).removeprefix(BOM) if first else b"".join(parts)


class _Reader:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: list[bytes] = []  # data lines that are not complete JSON
        self._bare: list[bytes] = []  # lines that don't belong to an event stream
        self._size = 0

    @property
    def is_holding(self) -> bool:
        """Whether a value is not complete yet."""
        return bool(self._held)

    def take(self, line: bytes) -> Iterator[Any]:
        name, _, value = line.partition(b":")
        if name == b"data":
            yield from self._data(value.removeprefix(b" "))
        elif not line:
            yield from self._event()
        elif line.startswith(b":") or name in _FIELDS:
            return
        else:
            self._keep(self._bare, line)

    def end(self) -> Iterator[Any]:
        """Yield what is left: an event without its blank line, or a body that is not a stream."""
        try:
            yield from self._event()
        except MalformedAnswer as error:
            raise CutOff(str(error)) from error
        if self._bare:
            found, is_one = _all(self._bare)
            yield from found
            if is_one:  # a complete value, so nothing was cut off
                yield OVER

    def _data(self, value: bytes) -> Iterator[Any]:
        if not self._held:
            if value.strip().strip(b'"').upper() == b"[DONE]":
                yield OVER
                return
            try:
                found = parse(value)
            except ValueError:
                pass
            else:
                yield from _as_list(found)
                return
        self._keep(self._held, value)

    def _event(self) -> Iterator[Any]:
        if not self._held:
            return
        held, self._held, self._size = self._held, [], 0
        if any(part.strip() for part in held):
            yield from _all(held)[0]

    def _keep(self, where: list[bytes], line: bytes) -> None:
        self._size += len(line) + 1
        if self._size > self._limit:
            raise MalformedAnswer("an event exceeds the size limit")
        where.append(line)


def parse(data: bytes) -> Any:
    """Parse JSON, with U+FFFD for invalid UTF-8. Raises ValueError."""
    try:
        return _decode(data.decode("utf-8", "replace"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _all(held: list[bytes]) -> tuple[list[Any], bool]:
    """Parse several lines, and return whether they form one value rather than one each."""
    try:
        return _as_list(parse(b"\n".join(held))), True
    except ValueError:
        pass
    try:
        return [value for line in held if line.strip() for value in _as_list(parse(line))], False
    except ValueError as error:
        raise MalformedAnswer("not JSON") from error


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
