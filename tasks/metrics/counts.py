"""Counters and histograms in this process's memory: increments that are not the fleet's yet.

To count costs about a microsecond. Labels have few values: a user's id, a path or a text is none.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping
from itertools import product
from threading import Lock
from typing import Any, Final

# A metric's name and its labels' values; of a histogram, also the number of a bucket, or SUM.
Series = tuple[str, ...]

SUM: Final = "sum"
OTHER: Final = "other"

_lock: Final = Lock()
_counts: dict[Series, float] = {}
_spreads: dict[Series, list[float]] = {}


class Metric:
    """A metric: its name without the prefix `trimind_`, its meaning, and its labels.

    Args:
        name: for Prometheus, without `_total`.
        text: what is counted, in a sentence.
        labels: the values of each label, by its name; another value counts as `other`. None: the
            values are not known in advance, but few.
    """

    def __init__(self, name: str, text: str, **labels: Collection[str] | None) -> None:
        self.name, self.text, self.labels = name, text, labels
        self._made: dict[Series, Series] = {}
        self._known = tuple(
            None if known is None else frozenset(known) for known in labels.values()
        )

    def known_values(self) -> Iterator[Series]:
        """All values of the labels, if they are known in advance; else none."""
        known = [values for values in self.labels.values() if values is not None]
        if len(known) == len(self.labels):
            yield from product(*known)

    def _series(self, values: Series) -> Series:
        series = self._made.get(values)
        if series is None:  # made once, since that takes longer than to count
            series = self._make(values)
            if series[1:] == values:  # of other values, there may be any number
                self._made[values] = series
        return series

    def _make(self, values: Series) -> Series:
        pairs = zip(values, self._known, strict=True)
        return (self.name, *(v if of is None or v in of else OTHER for v, of in pairs))


class Counter(Metric):
    """Something that is counted."""

    def add(self, *values: str, by: float = 1) -> None:
        """Count, with the values of the labels."""
        series = self._series(values)
        with _lock:
            _counts[series] = _counts.get(series, 0) + by


class Histogram(Metric):
    """A duration in seconds, counted in buckets up to these limits."""

    def __init__(
        self,
        name: str,
        text: str,
        limits: tuple[float, ...],
        **labels: Collection[str] | None,
    ) -> None:
        super().__init__(name, text, **labels)
        self.limits = limits

    def observe(self, seconds: float, *values: str) -> None:
        """Count a duration, with the values of the labels."""
        series, bucket = self._series(values), bisect_left(self.limits, seconds)
        with _lock:
            spread = _spreads.get(series)
            if spread is None:
                spread = _spreads[series] = [0.0] * (len(self.limits) + 2)
            spread[bucket] += 1
            spread[-1] += seconds


def take_counts() -> dict[Series, float]:
    """What was counted since the last call."""
    global _counts, _spreads
    with _lock:
        taken, spreads = _counts, _spreads
        _counts, _spreads = {}, {}
    for series, spread in spreads.items():
        *buckets, total = spread
        taken |= {(*series, str(at)): number for at, number in enumerate(buckets) if number}
        taken[*series, SUM] = total
    return taken


def spread_of(found: Mapping[Series, float], series: Series, limits: tuple[float, ...]) -> Any:
    """The cumulative buckets of a histogram's series, as Prometheus wants them, and its sum."""
    total, buckets = 0.0, []
    for at, limit in enumerate([*map(_shown, limits), "+Inf"]):
        total += found.get((*series, str(at)), 0)
        buckets.append((limit, total))
    return buckets, found.get((*series, SUM), 0)


def _shown(limit: float) -> str:
    return str(float(limit))
