"""How a benchmark prints its figures; `bench.report` reads them."""

import sys
from collections.abc import Sequence
from statistics import median


def p99(values: Sequence[float]) -> float:
    """The value that 99 of 100 do not exceed."""
    return sorted(values)[int(len(values) * 0.99)]


def group(name: str) -> None:
    """Begin a group: what the next figures are of."""
    print(name, flush=True)


def figure(name: str, value: float, unit: str = "", digits: int = 1) -> None:
    """Print one figure."""
    print(f"  {name:26}  {value:8.{digits}f} {unit}".rstrip(), flush=True)


def latencies(ms: Sequence[float], of: str = "") -> None:
    """Print the median and the p99 of latencies in milliseconds."""
    figure(f"{of}median", median(ms), "ms")
    figure(f"{of}p99", p99(ms), "ms")


def ratio(name: str, one: float, other: float) -> None:
    """Print how many times as much one is as the other."""
    figure(f"ratio {name}", one / other, digits=2)


def fail_above(limit_ms: float, what: str, ms: float) -> None:
    """End the benchmark as failed if this took longer."""
    if ms > limit_ms:
        sys.exit(f"{what} is over {limit_ms:.0f} ms")
