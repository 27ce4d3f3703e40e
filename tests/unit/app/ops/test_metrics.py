"""The metrics for Prometheus."""

from collections.abc import Iterable
from datetime import UTC, datetime

from prometheus_client.core import Metric

from app.ops.metrics import circuits, counted, unfinished_jobs
from models.backlog import Backlog
from tasks.resilience.states import BreakerState


def samples(metrics: Iterable[Metric]) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in metrics
        for sample in metric.samples
    }


def test_a_counter_is_a_total_with_its_label():
    found = samples(counted({("reconciled", "crashed"): 2, ("reconciled", "overdue"): 3}))

    assert found == {
        ("trimind_reconciled_total", "crashed"): 2,
        ("trimind_reconciled_total", "overdue"): 3,
    }


def test_a_name_that_prometheus_would_refuse_is_made_fit():
    assert samples(counted({("paid twice-é", ""): 1})) == {("trimind_paid_twice___total", ""): 1}


def test_every_slot_and_stage_has_a_sample_even_if_empty():
    found = samples(
        unfinished_jobs(
            [Backlog("queued", "generate", 4, 12.5), Backlog("running", "intent", 1, 99)]
        )
    )

    assert found["trimind_jobs", "queued", "generate"] == 4
    assert found["trimind_jobs", "running", "intent"] == 1
    assert found["trimind_jobs", "waiting", "persist"] == 0
    assert sum(name[0] == "trimind_jobs" for name in found) == 20
    assert found["trimind_oldest_queued_age_seconds",] == 12.5


def test_an_empty_queue_has_no_age():
    assert samples(unfinished_jobs([]))["trimind_oldest_queued_age_seconds",] == 0


def test_a_half_open_breaker_does_not_count_as_closed():
    states = [
        BreakerState("a", "closed", 5, None, 0, {"usr_1": datetime.now(UTC)}),
        BreakerState("b", "open", 5, None, 2),
        BreakerState("c", "half-open", 5, None, 1),
    ]

    assert samples(circuits(states)) == {
        ("trimind_breaker_open", "a"): 0,
        ("trimind_breaker_open", "b"): 1,
        ("trimind_breaker_open", "c"): 1,
        ("trimind_breaker_opens_total", "a"): 0,
        ("trimind_breaker_opens_total", "b"): 2,
        ("trimind_breaker_opens_total", "c"): 1,
        ("trimind_breaker_blocked_users", "a"): 1,
        ("trimind_breaker_blocked_users", "b"): 0,
        ("trimind_breaker_blocked_users", "c"): 0,
    }
