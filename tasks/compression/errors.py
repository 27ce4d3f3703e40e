"""What can go wrong while a prompt is compressed.

Both take one message, so that they keep their type when they are pickled on their way between
processes. The caller of a compressor answers `CompressionFailed` with the original prompt.
"""


class CompressionFailed(Exception):
    """The prompt could not be compressed; the original is still good."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class WeightsUnusable(CompressionFailed):
    """A folder or a download does not hold weights that LLMLingua-2 can use."""
