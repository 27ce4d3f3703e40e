"""What the processes of the fleet have counted, and what they have now, as Prometheus's metrics."""

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from tasks.metrics.counts import Counter as Counted
from tasks.metrics.counts import Histogram, Series, spread_of
from tasks.metrics.declared import COUNTERS, HISTOGRAMS
from tasks.metrics.fleet import FleetCounts, ProcessState
from tasks.metrics.gauges import GAUGES

PREFIX = "trimind_"


def fleet_metrics(found: FleetCounts) -> Iterator[Metric]:
    """Yield every counter, histogram and gauge of the fleet."""
    by_name: dict[str, set[Series]] = {}
    for series in found.sums:
        by_name.setdefault(series[0], set()).add(series)
    for counter in COUNTERS:
        yield _counter(counter, found.sums, by_name.get(counter.name, set()))
    for histogram in HISTOGRAMS:
        yield _histogram(histogram, found.sums, by_name.get(histogram.name, set()))
    yield _processes(found.processes)
    yield from _gauges(found.processes)


def _counter(of: Counted, sums: dict[Series, float], known: set[Series]) -> Metric:
    metric = CounterMetricFamily(PREFIX + of.name, of.text, labels=list(of.labels))
    for series in sorted(known | {(of.name, *values) for values in of.known_values()}):
        metric.add_metric(series[1:], sums.get(series, 0))
    return metric


def _histogram(of: Histogram, sums: dict[Series, float], known: set[Series]) -> Metric:
    metric = HistogramMetricFamily(PREFIX + of.name, of.text, labels=list(of.labels))
    found = {series[:-1] for series in known}
    for series in sorted(found | {(of.name, *values) for values in of.known_values()}):
        buckets, total = spread_of(sums, series, of.limits)
        metric.add_metric(series[1:], buckets, total)
    return metric


def _processes(states: Iterable[ProcessState]) -> Metric:
    text = "Processes that have reported within 15 s."
    metric = GaugeMetricFamily(f"{PREFIX}processes", text, labels=["process"])
    live = Counter(state.kind for state in states)
    for kind in sorted({"web", "worker", "cpu", *live}):
        metric.add_metric([kind], live[kind])
    return metric


def _gauges(states: Iterable[ProcessState]) -> Iterator[Metric]:
    sums: dict[Series, float] = {}
    for state in states:
        for (name, *values), value in state.gauges.items():
            series = (name, state.kind, *values)
            sums[series] = sums.get(series, 0) + value
    for gauge in GAUGES:
        labels = ["process", *gauge.labels]
        metric = GaugeMetricFamily(PREFIX + gauge.name, gauge.text, labels=labels)
        for series in sorted(each for each in sums if each[0] == gauge.name):
            metric.add_metric(series[1:], sums[series])
        yield metric
