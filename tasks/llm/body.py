"""The bytes of an answer: unpacked in small steps, and never more than there may be of them."""

import zlib
from collections.abc import Iterator
from typing import Final

import httpx

from models.errors import UnusableAnswer
from tasks.llm.watch import Watch

# Of an error no more is read than a provider would write.
ERROR_BYTES: Final = 256 * 1024
STEP: Final = 64 * 1024
# zlib's word for: gzip or deflate, whichever it is.
_ANY_FORMAT: Final = zlib.MAX_WBITS | 32


class Body(httpx.SyncByteStream):
    """Stands for the stream of a response. What packs itself to a thousandth is unpacked as it is
    read, and an answer that is too large ends as UnusableAnswer; an error is cut."""

    def __init__(
        self, response: httpx.Response, stream: httpx.SyncByteStream, watch: Watch
    ) -> None:
        self._stream = stream
        self._watch = watch
        self._good = response.is_success
        self._most = watch.most_bytes if self._good else ERROR_BYTES
        self._coding = response.headers.get("content-encoding", "").strip().lower()
        if self._coding:
            del response.headers["content-encoding"]

    def __iter__(self) -> Iterator[bytes]:
        left = self._most
        for part in self._unpacked():
            if len(part) > left:
                if self._good:
                    self._refuse("sends more than an answer can be")
                    raise httpx.ReadError("The answer is too large.")
                yield part[:left]
                return
            left -= len(part)
            yield part

    def close(self) -> None:
        self._stream.close()

    def _refuse(self, what: str) -> None:
        self._watch.failure = UnusableAnswer(f"{self._watch.name} {what}.")

    def _unpacked(self) -> Iterator[bytes]:
        if self._coding in ("", "identity"):
            yield from self._stream
        elif self._coding in ("gzip", "x-gzip", "deflate"):
            yield from self._inflated()
        elif self._good:
            self._refuse("packs its answer in a way not asked for")
            raise httpx.DecodingError("An unknown content coding.")

    def _inflated(self) -> Iterator[bytes]:
        inflate = zlib.decompressobj(_ANY_FORMAT)
        try:
            for part in self._stream:
                while part:
                    yield inflate.decompress(part, STEP)
                    part = inflate.unconsumed_tail
        except zlib.error as error:
            if self._good:
                self._refuse("packs its answer wrongly")
                raise httpx.DecodingError("Can't be unpacked.") from error
