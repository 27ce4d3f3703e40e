"""The jobs that have ended and those that are queued, as Prometheus's metrics: exactly, since the
database knows them."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from models.backlog import LANE_NAMES, QUEUES, Queue
from models.job_totals import Total
from models.jobs import FINISHED, PRIORITIES

# The label of a job that ended before it had a model.
NO_MODEL: Final = "none"

Amount = Callable[[Total], float]

AMOUNTS: Final[tuple[tuple[str, str, Amount], ...]] = (
    (
        "input_tokens",
        "Input tokens of ended jobs, failed calls included.",
        lambda of: of.input_tokens,
    ),
    (
        "output_tokens",
        "Output tokens of ended jobs, failed calls included.",
        lambda of: of.output_tokens,
    ),
    ("cost_usd", "What ended jobs have cost, in US dollars.", lambda of: float(of.cost_usd)),
    ("tokens_saved", "Tokens of ended jobs that compression saved.", lambda of: of.tokens_saved),
    (
        "saved_usd",
        "What these tokens would have cost, in US dollars.",
        lambda of: float(of.saved_usd),
    ),
)


def ended_jobs(totals: Iterable[Total]) -> Iterator[Metric]:
    """Yield how many jobs have ended how, and what they have used by model."""
    totals = list(totals)
    ended: dict[tuple[str, str, str], float] = {
        (status, "", priority): 0
        for status in FINISHED
        if status != "failed"
        for priority in PRIORITIES
    }
    for total in totals:
        how = (total.status, total.code, total.priority)
        ended[how] = ended.get(how, 0) + total.jobs
    metric = CounterMetricFamily(
        "trimind_jobs_ended",
        "Jobs that have ended; `code` says why a job failed.",
        labels=["status", "code", "priority"],
    )
    for how, jobs in sorted(ended.items()):
        metric.add_metric(how, jobs)
    yield metric
    for name, text, amount in AMOUNTS:
        yield _by_model(f"trimind_{name}", text, totals, amount)


def _by_model(name: str, text: str, totals: Iterable[Total], amount: Amount) -> Metric:
    sums: dict[str, float] = {}
    for total in totals:
        model = total.model or NO_MODEL
        sums[model] = sums.get(model, 0) + amount(total)
    metric = CounterMetricFamily(name, text, labels=["model"])
    for model, value in sorted(sums.items()):
        metric.add_metric([model], value)
    return metric


def queues(found: Iterable[Queue]) -> Iterator[Metric]:
    """Yield the length of each lane of the broker's queues, and the age of its oldest job."""
    known = {(entry.queue, entry.lane): entry for entry in found}
    labels = ["queue", "lane"]
    length = GaugeMetricFamily("trimind_queue_jobs", "Jobs queued in the broker.", labels=labels)
    age = GaugeMetricFamily(
        "trimind_queue_oldest_age_seconds",
        "Since the oldest of these jobs was accepted; 0 if there is none.",
        labels=labels,
    )
    for queue in QUEUES:
        for lane, name in LANE_NAMES.items():
            entry = known.get((queue, lane))
            length.add_metric([queue, name], entry.jobs if entry else 0)
            age.add_metric([queue, name], entry.oldest_s if entry else 0)
    yield from (length, age)


def oldest_delivery(due_s: float) -> Metric:
    """Return for how long the oldest event for a webhook has been due."""
    return GaugeMetricFamily(
        "trimind_webhook_oldest_due_seconds",
        "For how long the oldest event for a webhook is due; 0 if none is.",
        value=due_s,
    )
