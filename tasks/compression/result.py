"""A compressor's result."""

from dataclasses import dataclass

from tasks.compression import tokens


@dataclass(frozen=True)
class Compressed:
    """A prompt after compression, which is the original if compression did not shorten it."""

    text: str
    compressor: str
    """The compressor's name in the receipt: `llmlingua2` or `extractive`."""
    tokens_before: int
    tokens_after: int
    """At most `tokens_before`; if equal, `text` is the original."""

    @property
    def tokens_saved(self) -> int:
        """The receipt's count of tokens that are not sent to the provider."""
        return self.tokens_before - self.tokens_after

    @property
    def shortened(self) -> bool:
        """Whether `text` differs from the original."""
        return self.tokens_saved > 0


def shorter_of(original: str, candidate: str, compressor: str) -> Compressed:
    """Return `candidate` if it has fewer tokens than `original` and is not blank, else `original`.

    Raises:
        CompressionFailed: if tokens can't be counted on this machine.
    """
    before = tokens.count(original)
    if candidate != original and candidate.strip():
        after = tokens.count(candidate)
        if after < before:
            return Compressed(candidate, compressor, before, after)
    return Compressed(original, compressor, before, before)
