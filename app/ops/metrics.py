"""The metrics for Prometheus: the state of the whole fleet, read from PostgreSQL and Redis.

What processes count, they add up in Redis, so every web process gives the same metrics.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from sqlalchemy.orm import Session

from app.ops.fleet_metrics import fleet_metrics
from app.ops.job_metrics import ended_jobs, oldest_delivery, queues
from models.backlog import Backlog, backlog
from models.backlog import queues as queued_jobs
from models.counters import FINDS, counters
from models.job_totals import job_totals
from models.jobs import SLOTS, STAGES
from models.webhook_outbox import oldest_due_s
from tasks.metrics.fleet import fleet_counts, reporter
from tasks.resilience.misconfigured import Misconfigured, misconfigured
from tasks.resilience.states import BreakerState, breaker_states

# What is counted in the database, so that each has a sample before it first happens.
NEVER: Final[dict[tuple[str, str], int]] = {
    ("paid_duplicates", ""): 0,
    **{("reconciled", found): 0 for found in FINDS},
}


class Fleet(Collector):
    """Reads everything at each scrape; without Redis, only what is in the database."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def collect(self) -> Iterator[Metric]:
        yield from counted(NEVER | counters(self._session))
        yield from unfinished_jobs(backlog(self._session))
        yield from queues(queued_jobs(self._session))
        yield from ended_jobs(job_totals(self._session))
        yield oldest_delivery(oldest_due_s(self._session))
        self._session.rollback()  # gives the connection back before the calls to Redis
        try:
            yield from circuits(breaker_states())
            yield wrongly_set_up(misconfigured())
            reporter().report()
            yield from fleet_metrics(fleet_counts())
        except RedisError:
            return


def counted(values: dict[tuple[str, str], int]) -> Iterator[Metric]:
    """Yield a counter for each name, with a sample for each label."""
    for name in sorted({name for name, _ in values}):
        metric = CounterMetricFamily(
            "trimind_" + re.sub(r"\W", "_", name, flags=re.ASCII),
            f"The fleet's counter {name}.",
            labels=["reason"],
        )
        for label in sorted(label for of, label in values if of == name):
            metric.add_metric([label], values[name, label])
        yield metric


def unfinished_jobs(found: Iterable[Backlog]) -> Iterator[Metric]:
    """Yield the number of jobs for each slot and stage, zeros included, and the oldest's age."""
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
        "Age of the oldest queued job; 0 if none is queued.",
        value=max((entry.oldest_s for entry in jobs.values() if entry.slot == "queued"), default=0),
    )


def wrongly_set_up(found: Iterable[Misconfigured]) -> Metric:
    """Return the providers and models that refuse service as configured."""
    wrong = GaugeMetricFamily(
        "trimind_misconfigured",
        "1 for a provider or model that refuses service: check the variable.",
        labels=["provider", "variable"],
    )
    for each in found:
        wrong.add_metric([each.name, each.variable], 1)
    return wrong


def circuits(states: Iterable[BreakerState]) -> Iterator[Metric]:
    """Yield whether each shared breaker is open, how often it has opened, and for how many users
    alone it is open."""
    is_open = GaugeMetricFamily(
        "trimind_breaker_open", "1 while a breaker is open or half-open.", labels=["breaker"]
    )
    opens = CounterMetricFamily(
        "trimind_breaker_opens", "Number of times that a breaker has opened.", labels=["breaker"]
    )
    blocked = GaugeMetricFamily(
        "trimind_breaker_blocked_users",
        "Users for whom alone a breaker is open, because only their calls fail.",
        labels=["breaker"],
    )
    for breaker in states:
        blocked.add_metric([breaker.name], len(breaker.blocked_users))
        is_open.add_metric([breaker.name], 0 if breaker.state == "closed" else 1)
        opens.add_metric([breaker.name], breaker.opens)
    yield from (is_open, opens, blocked)
