"""A request and its response on a connection, parsed by llhttp (`httptools`)."""

from collections.abc import Callable, Iterator
from typing import Final

import httptools
import httpx

from tasks.llm.connection import Connection
from tasks.llm.watch import Watch

# More than any server's headers take.
HEAD_BYTES: Final = 100 * 1024
# What servers do beside the standard, and other clients accept.
_ACCEPTED: Final = {
    "lenient_chunked_length": True,  # both lengths; the chunks count
    "lenient_optional_cr_before_lf": True,
    "lenient_spaces_after_chunk_size": True,
}


class Exchange(httpx.SyncByteStream):
    """Sends a request and receives its response; iterated, it is the response's body.

    Args:
        connection: an unused connection.
        watch: the call's watch.
        leave: takes the connection back when the exchange is closed, with whether it can be used
            again.
    """

    def __init__(
        self, connection: Connection, watch: Watch, leave: Callable[[Connection, bool], None]
    ) -> None:
        self._connection = connection
        self._watch = watch
        self._leave: Callable[[Connection, bool], None] | None = leave
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(**_ACCEPTED)
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._has_head = False
        self._is_complete = False
        self._is_reusable = False

    def send(self, data: bytes) -> httpx.Response:
        """Send the request, and return the response once its headers are there. Raises
        httpx.TransportError."""
        self._connection.send(data)
        size = 0
        while not self._has_head:
            size += self._feed()
            if size > HEAD_BYTES and not self._has_head:
                raise httpx.RemoteProtocolError("The response's headers are too long.")
        status = self._parser.get_status_code()
        return httpx.Response(status, headers=self._headers, stream=self)

    def __iter__(self) -> Iterator[bytes]:
        while True:
            if self._parts:
                parts, self._parts = self._parts, []
                yield b"".join(parts) if len(parts) > 1 else parts[0]
            elif self._is_complete:
                return
            else:
                self._feed()

    def close(self) -> None:
        """Keep the connection if the response was read to its end, and close it otherwise."""
        leave, self._leave = self._leave, None
        if leave is not None:
            del self._parser  # which refers to this
            leave(self._connection, self._is_complete and self._is_reusable)

    def _feed(self) -> int:
        data = self._connection.receive(self._watch)
        if not data:
            self._end()
            return 0
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._is_reusable = False
            if not self._is_complete:  # what follows a complete response does not matter
                raise httpx.RemoteProtocolError(str(error)) from error
        return len(data)

    def _end(self) -> None:
        """Note that the server closed its side, which also ends a body without a length."""
        self._is_reusable = False
        names = {name.lower(): value for name, value in self._headers}
        is_chunked = names.get(b"transfer-encoding", b"").lower().endswith(b"chunked")
        if not self._has_head or is_chunked or b"content-length" in names:
            raise httpx.RemoteProtocolError("The server closed the connection too early.")
        self._is_complete = True

    # --- httptools' interface

    def on_message_begin(self) -> None:
        """A second response that nobody asked for makes the connection useless."""
        if self._is_complete:
            self._is_reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, but not what follows a body in chunks."""
        if not self._has_head:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Note the end of the headers, unless it is only an interim response."""
        if self._has_head:
            return
        if self._parser.get_status_code() < 200:
            self._headers.clear()
            return
        self._has_head = True
        self._is_reusable = self._parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        """Keep a part of the body, but not of another."""
        if not self._is_complete:
            self._parts.append(part)

    def on_message_complete(self) -> None:
        """Note the end of the response."""
        self._is_complete = self._has_head
