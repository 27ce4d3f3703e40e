"""What Prometheus is told: the state of the whole fleet, read from where it is kept.

Nothing is counted in this process, so it does not matter which of the processes is asked.
"""

import re
from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from sqlalchemy.orm import Session

from models.backlog import Backlog, backlog
from models.counters import counters
from models.jobs import SLOTS, STAGES
from tasks.resilience.misconfigured import Misconfigured, misconfigured
from tasks.resilience.states import BreakerState, breaker_states


class Fleet(Collector):
    """Reads everything at each scrape. With Redis away there are no breakers to be shown."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def collect(self) -> Iterator[Metric]:
        yield from counted(counters(self._session))
        yield from unfinished_jobs(backlog(self._session))
        self._session.rollback()  # the connection goes back before Redis is asked
        try:
            yield from circuits(breaker_states())
            yield wrongly_set_up(misconfigured())
        except RedisError:
            return


def counted(values: dict[tuple[str, str], int]) -> Iterator[Metric]:
    """A metric for each name, with a sample for each label."""
    for name in sorted({name for name, _ in values}):
        metric = CounterMetricFamily(
            "trimind_" + re.sub(r"\W", "_", name, flags=re.ASCII),
            f"What the fleet has counted as {name}.",
            labels=["reason"],
        )
        for label in sorted(label for of, label in values if of == name):
            metric.add_metric([label], values[name, label])
        yield metric


def unfinished_jobs(found: Iterable[Backlog]) -> Iterator[Metric]:
    """How many jobs are in each slot at each stage, the empty ones too; and how long they wait."""
    jobs = {(entry.slot, entry.stage): entry for entry in found}
    number = GaugeMetricFamily(
        "trimind_jobs", "Unfinished jobs by slot and stage.", labels=["slot", "stage"]
    )
    for slot in SLOTS:
        for stage in STAGES:
            entry = jobs.get((slot, stage))
            number.add_metric([slot, stage], entry.jobs if entry else 0)
    yield number
    yield GaugeMetricFamily(
        "trimind_oldest_queued_age_seconds",
        "Since when the oldest of the queued jobs is here; 0 where none is queued.",
        value=max((entry.oldest_s for entry in jobs.values() if entry.slot == "queued"), default=0),
    )


def wrongly_set_up(found: Iterable[Misconfigured]) -> Metric:
    """The providers and models that do not serve us as they are set up."""
    wrong = GaugeMetricFamily(
        "trimind_misconfigured",
        "1 for a provider or a model that refuses us: the operator has to look at the variable.",
        labels=["provider", "variable"],
    )
    for each in found:
        wrong.add_metric([each.name, each.variable], 1)
    return wrong


def circuits(states: Iterable[BreakerState]) -> Iterator[Metric]:
    """Whether each shared breaker is open, how often it opened, and for how many users alone it is
    open."""
    is_open = GaugeMetricFamily(
        "trimind_breaker_open", "1 while a breaker is open or half-open.", labels=["breaker"]
    )
    opens = CounterMetricFamily(
        "trimind_breaker_opens", "Times that a breaker opened.", labels=["breaker"]
    )
    blocked = GaugeMetricFamily(
        "trimind_breaker_blocked_users",
        "Users for whom alone a breaker is open, since only their calls fail.",
        labels=["breaker"],
    )
    for breaker in states:
        blocked.add_metric([breaker.name], len(breaker.blocked_users))
        is_open.add_metric([breaker.name], 0 if breaker.state == "closed" else 1)
        opens.add_metric([breaker.name], breaker.opens)
    yield from (is_open, opens, blocked)
