"""What a compressor hands back."""

from dataclasses import dataclass

from tasks.compression import tokens


@dataclass(frozen=True)
class Compressed:
    """A prompt after compression; the original itself where compression did not pay."""

    text: str
    compressor: str
    """The name of the compressor, as in the receipt: `llmlingua2` or `extractive`."""
    tokens_before: int
    tokens_after: int
    """Never more than `tokens_before`; equal to it means that `text` is the original."""

    @property
    def tokens_saved(self) -> int:
        """For the receipt: tokens that the provider will not see."""
        return self.tokens_before - self.tokens_after

    @property
    def shortened(self) -> bool:
        """Whether `text` differs from the original."""
        return self.tokens_saved > 0


def shorter_of(original: str, candidate: str, compressor: str) -> Compressed:
    """`candidate` if it has fewer tokens than `original` and says anything, else `original`.

    Raises:
        CompressionFailed: tokens cannot be counted on this machine.
    """
    before = tokens.count(original)
    if candidate != original and candidate.strip():
        after = tokens.count(candidate)
        if after < before:
            return Compressed(candidate, compressor, before, after)
    return Compressed(original, compressor, before, before)
