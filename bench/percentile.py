"""What 99 of 100 measurements do not exceed."""

from collections.abc import Sequence


def p99(values: Sequence[float]) -> float:
    """The 99th percentile, as one of the values."""
    return sorted(values)[int(len(values) * 0.99)]
