"""The bytes of an answer, decompressed in small steps and limited in size."""

import zlib
from collections.abc import Iterator
from typing import Final

import httpx

from models.errors import UnusableAnswer
from tasks.llm.watch import Watch

# More than any provider writes in an error.
ERROR_BYTES: Final = 256 * 1024
STEP: Final = 64 * 1024
# Tells zlib to detect gzip or deflate.
_ANY_FORMAT: Final = zlib.MAX_WBITS | 32


class Body(httpx.SyncByteStream):
    """A response's stream, decompressed as it is read, so that a decompression bomb is harmless.

    An answer that exceeds the limit ends as UnusableAnswer; an error's body is truncated.
    """

    def __init__(
        self, response: httpx.Response, stream: httpx.SyncByteStream, watch: Watch
    ) -> None:
        self._stream = stream
        self._watch = watch
        self._good = response.is_success
        self._most = watch.max_bytes if self._good else ERROR_BYTES
        self._coding = response.headers.get("content-encoding", "").strip().lower()
        if self._coding:
            del response.headers["content-encoding"]

    def __iter__(self) -> Iterator[bytes]:
        left = self._most
        for part in self._decoded() if self._coding else self._stream:
            if len(part) > left:
                if self._good:
                    self._refuse("exceeded the size limit of an answer")
                    raise httpx.ReadError("The answer is too large.")
                yield part[:left]
                return
            left -= len(part)
            yield part

    def close(self) -> None:
        self._stream.close()

    def _refuse(self, what: str) -> None:
        self._watch.failure = UnusableAnswer(f"{self._watch.name} {what}.")

    def _decoded(self) -> Iterator[bytes]:
        if self._coding == "identity":
            yield from self._stream
        elif self._coding in ("gzip", "x-gzip", "deflate"):
            yield from self._inflated()
        elif self._good:
            self._refuse("used an unsupported content coding")
            raise httpx.DecodingError("Unsupported content coding.")

    def _inflated(self) -> Iterator[bytes]:
        inflate = zlib.decompressobj(_ANY_FORMAT)
        try:
            for part in self._stream:
                while part:
                    yield inflate.decompress(part, STEP)
                    part = inflate.unconsumed_tail
        except zlib.error as error:
            if self._good:
                self._refuse("sent a corrupt compressed answer")
                raise httpx.DecodingError("Can't be decompressed.") from error
