"""Header names with their usual capitals on the wire: `Retry-After`."""

from typing import Final

# uvicorn compares these with its own spelling.
_COMPARED: Final = frozenset({"content-length", "transfer-encoding", "connection"})


class FieldName(bytes):
    """A name that uvicorn can't lower. HTTP ignores case; a client that reads headers into a plain
    dictionary does not."""

    def lower(self) -> "FieldName":
        """Return the name as it is."""
        return self


def field_name(name: str) -> bytes:
    """Return a header's name for an ASGI message."""
    return name.lower().encode() if name.lower() in _COMPARED else FieldName(name.encode())
