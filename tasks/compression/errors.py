"""Errors of compression. On `CompressionFailed`, use the original prompt.

Both take a single message, so that they keep their type when they are pickled between processes.
"""


class CompressionFailed(Exception):
    """The prompt could not be compressed."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class WeightsUnusable(CompressionFailed):
    """A folder or download does not contain weights that LLMLingua-2 can use."""
