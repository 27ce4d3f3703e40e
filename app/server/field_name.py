"""Names of headers, spelled on the wire as everybody spells them: `Retry-After`."""

from typing import Final

# uvicorn compares these with its own spelling.
_COMPARED: Final = frozenset({"content-length", "transfer-encoding", "connection"})


class FieldName(bytes):
    """A name that stays as it is where uvicorn would lower it. HTTP does not mind, but clients that
    read headers into a plain dictionary do."""

    def lower(self) -> "FieldName":
        """The same."""
        return self


def field_name(name: str) -> bytes:
    """A header's name for an ASGI message."""
    return name.lower().encode() if name.lower() in _COMPARED else FieldName(name.encode())
