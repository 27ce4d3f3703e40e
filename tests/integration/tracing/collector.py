"""A collector of traces: an HTTP server that decodes what OTLP sends."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SERVER, CLIENT, CONSUMER = 2, 3, 5
FAILED = 2


@dataclass(frozen=True)
class Span:
    """A span as the collector got it, with the attributes of its process."""

    name: str
    kind: int
    began: int
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    process: dict[str, Any]
    failed: bool


class Collector:
    """The spans that were sent, and the bytes of all requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: list[bytes] = []
        self.spans: list[Span] = []

    def take(self, body: bytes) -> None:
        """Decode a request."""
        self.bodies.append(body)
        for of_process in ExportTraceServiceRequest.FromString(body).resource_spans:
            process = _values(of_process.resource.attributes)
            for scope in of_process.scope_spans:
                self.spans += [_span(process, span) for span in scope.spans]

    def of(self, trace_id: str) -> list[Span]:
        """The spans of a trace, in the order in which they began."""
        mine = (span for span in self.spans if span.trace_id == trace_id)
        return sorted(mine, key=lambda span: span.began)


@contextmanager
def collecting() -> Iterator[Collector]:
    """A running collector."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            known = self.path == "/v1/traces"
            if known:
                collector.take(body)
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def _span(process: dict[str, Any], span: Any) -> Span:
    return Span(
        name=span.name,
        kind=span.kind,
        began=span.start_time_unix_nano,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        attributes=_values(span.attributes),
        process=process,
        failed=span.status.code == FAILED,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
