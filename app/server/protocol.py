"""uvicorn's HTTP/1.1, with time limits and size limits for what comes before a request is one."""

import json
from asyncio import TimerHandle, Transport
from functools import partial
from typing import Any, Final

import structlog
from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from app.http.cors import cors_fields
from app.http.deferred import GONE
from app.http.errors import BadRequest, HeadersTooLarge, RequestTimeout, UriTooLong
from app.http.problems import MEDIA_TYPE, title_of
from app.http.security_headers import SECURITY_HEADERS
from app.server.bridge import ABORT
from config.settings import get_settings
from models.errors import TrimindError
from models.ids import new_id

URL_MAX_BYTES: Final = 8190
FIELD_MAX_BYTES: Final = 8190
FIELDS_MAX: Final = 100
HEAD_MAX_BYTES: Final = 64 * 1024
# What chunks may add to a body: extensions and trailers, which are ignored.
CHUNK_OVERHEAD_BYTES: Final = 16 * 1024

log = structlog.get_logger(__name__)


class Protocol(HttpToolsProtocol):
    """One connection. What is not a request is answered here, and closes it."""

    _late: TimerHandle | None = None
    _closing: TimerHandle | None = None
    _in_head = True
    _refused: tuple[type[TrimindError], str] | None = None
    _head_bytes = 0
    _received = 0
    _bodied = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused is not None:
            return
        self._received += len(data)
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        too_long = self._in_head and self._head_bytes > HEAD_MAX_BYTES
        if too_long and self._refused is None and not self.transport.is_closing():
            self._refuse(HeadersTooLarge, f"The headers exceed {HEAD_MAX_BYTES} bytes.")
            self.send_400_response("")
        elif self._is_mostly_overhead() and not self.transport.is_closing():
            self.send_400_response("")

    def send_400_response(self, msg: str) -> None:
        """Answer an invalid request with a problem, and close the connection."""
        self._refused = self._refused or (BadRequest, "This is not a valid HTTP request.")
        if self.cycle is not None and self.cycle.response_started and not self._is_idle():
            self.transport.abort()  # in the middle of another response
            return
        self._send_problem(*self._refused)

    # --- the parser's callbacks

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._received, self._bodied = True, 0, 0
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope |= {ABORT: self.transport.abort, GONE: self.transport.is_closing}
        if self._late is None:
            self._expect_head()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > URL_MAX_BYTES:
            self._refuse(UriTooLong, f"The URL exceeds {URL_MAX_BYTES} bytes.")
            raise HttpParserError

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(name) + len(value) > FIELD_MAX_BYTES or len(self.headers) > FIELDS_MAX:
            detail = (
                f"A header exceeds {FIELD_MAX_BYTES} bytes, or there are more than {FIELDS_MAX}."
            )
            self._refuse(HeadersTooLarge, detail)
            raise HttpParserError

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes, self._received = False, 0, 0
        if self._late is not None:
            self._late.cancel()
            self._late = None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bodied += len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._abort_later()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._abort_later()

    def shutdown(self) -> None:
        """Close the connection after the response in progress; do not wait for a body."""
        waits = self.cycle is not None and self.cycle.more_body and self.cycle.body == b""
        if waits and _has_body(self.cycle.scope) and not self.cycle.response_started:
            self.transport.close()
            return
        super().shutdown()

    # ---

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if cycle.scope["http_version"] == "1.0":
            cycle.send = partial(_send_without_chunks, cycle, cycle.send)  # type: ignore[method-assign]
        super()._start_asgi_task(cycle, app)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _is_mostly_overhead(self) -> bool:
        """Whether the chunks carry next to nothing."""
        if self._in_head or self.cycle is None or not self.cycle.more_body:
            return False
        beside = self._received - self._bodied
        return beside > CHUNK_OVERHEAD_BYTES + 16 * self._bodied

    def _expect_head(self) -> None:
        self._late = self.loop.call_later(get_settings().headers_timeout_s, self._too_late)

    def _too_late(self) -> None:
        self._late = None
        if self.transport.is_closing():
            return
        if not self._is_idle():
            self.transport.abort()
        elif self._head_bytes:
            detail = f"The headers did not arrive within {get_settings().headers_timeout_s:g} s."
            self._send_problem(RequestTimeout, detail)
        else:
            self.transport.close()

    def _refuse(self, kind: type[TrimindError], detail: str) -> None:
        self._refused = (kind, detail)

    def _send_problem(self, kind: type[TrimindError], detail: str) -> None:
        status, code = kind.status or 400, kind.code
        request_id = new_id("req")
        log.info("request refused", status=status, code=code, request_id=request_id)
        problem: dict[str, Any] = {"type": "about:blank", "title": title_of(status)}
        problem |= {"status": status, "detail": detail, "code": code}
        problem |= {"request_id": request_id, "errors": []}
        body = json.dumps(problem, separators=(",", ":")).encode()
        headers = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body))}
        headers |= {"Connection": "close", "X-Request-Id": request_id, "Cache-Control": "no-store"}
        headers |= SECURITY_HEADERS | self._cors()
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        self.transport.write(STATUS_LINE[status] + "".join(lines).encode() + b"\r\n" + body)
        self.transport.close()
        self._abort_later()

    def _cors(self) -> dict[str, str]:
        """The fields by which a browser may read a problem, as far as its origin has arrived."""
        sent = dict(self.headers or ()).get(b"origin")
        origin = sent.decode("latin-1") if sent is not None else None
        return cors_fields(get_settings().allowed_origins, origin)

    def _abort_later(self) -> None:
        """Bound the time that a closed connection waits for its client to receive the rest."""
        if self._closing is None:
            within_s = get_settings().send_timeout_s
            self._closing = self.loop.call_later(within_s, self.transport.abort)

    def _cancel_timers(self) -> None:
        for timer in (self._late, self._closing):
            if timer is not None:
                timer.cancel()
        self._late = self._closing = None


async def _send_without_chunks(cycle: RequestResponseCycle, send: Any, message: Any) -> None:
    """Send a response without a length as it comes, and end it with the connection: HTTP/1.0 has no
    chunks (RFC 9112, 6.1)."""
    if message["type"] == "http.response.start":
        if not any(name == b"content-length" for name, _ in message["headers"]):
            cycle.chunked_encoding = False
    elif cycle.expected_content_length == 0:
        cycle.expected_content_length = len(message["body"])
    await send(message)


def _has_body(scope: Any) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
