"""An answer's bytes -> the JSON values in it, whether they come as an event stream or not.

Lines end with CR, LF or CRLF and with nothing else (WHATWG HTML 9.2.6): U+2028, U+2029 and U+0085
are text. Beyond the standard, a value is taken as soon as its line has come, so that servers which
send no blank lines are understood, and a body that is no event stream (one JSON value, or one a
line) is read as well.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

BOM: Final = b"\xef\xbb\xbf"
OVER: Final = object()
_FIELDS: Final = frozenset({b"event", b"id", b"retry"})


class Misshapen(Exception):
    """What came is neither an event stream nor JSON, or larger than anything that makes sense."""


class CutOff(Exception):
    """The stream ended within an event."""


def values(chunks: Iterable[bytes], limit: int) -> Iterator[Any]:
    """The JSON values of an answer, in order; `OVER` for `[DONE]`. Lists are taken apart.

    One value is at most `limit` bytes. Raises Misshapen, and CutOff where the end is half a value.
    """
    reader = _Reader(limit)
    for line in lines(chunks, limit):
        yield from reader.take(line)
    yield from reader.end()


def lines(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """The lines of a stream, without their ends. Raises Misshapen where one exceeds `limit`."""
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
                raise Misshapen("a line without an end")
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
        self._held: list[bytes] = []  # data lines that are no JSON by themselves
        self._bare: list[bytes] = []  # lines that are of no event stream
        self._size = 0

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
        """What is left: an event without its blank line, or a body that is no event stream."""
        try:
            yield from self._event()
        except Misshapen as error:
            raise CutOff(str(error)) from error
        if self._bare:
            found, is_one = _all(self._bare)
            yield from found
            if is_one:  # not cut, so that nothing is missing
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
                yield from _apart(found)
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
            raise Misshapen("an event without an end")
        where.append(line)


def parse(data: bytes) -> Any:
    """JSON, with U+FFFD for bytes that are no UTF-8. Raises ValueError."""
    try:
        return json.loads(data.decode("utf-8", "replace"), strict=False)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _all(held: list[bytes]) -> tuple[list[Any], bool]:
    """The values of several lines, and whether it is one over all of them, not one in each."""
    try:
        return _apart(parse(b"\n".join(held))), True
    except ValueError:
        pass
    try:
        return [value for line in held if line.strip() for value in _apart(parse(line))], False
    except ValueError as error:
        raise Misshapen("not JSON") from error


def _apart(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
