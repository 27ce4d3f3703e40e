"""What the processes have counted and what they have, as Prometheus reads it."""

from prometheus_client.core import Metric

from app.ops.fleet_metrics import fleet_metrics
from tasks.metrics.fleet import FleetCounts, ProcessState


def samples(found: FleetCounts) -> dict[tuple[str, ...], float]:
    metrics: list[Metric] = [*fleet_metrics(found)]
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in metrics
        for sample in metric.samples
    }


def test_what_never_happened_is_zero() -> None:
    found = samples(FleetCounts({}, []))

    assert found["trimind_jobs_accepted_total", "bulk"] == 0
    assert found["trimind_stage_seconds_bucket", "intent", "completed", "+Inf"] == 0
    assert found["trimind_stage_seconds_count", "persist", "failed"] == 0
    assert found["trimind_job_seconds_count",] == 0
    assert {found["trimind_processes", kind] for kind in ("web", "worker", "cpu")} == {0}
    assert not any(name[0] == "trimind_http_requests_total" for name in found)


def test_a_histogram_is_cumulative() -> None:
    sums: dict[tuple[str, ...], float] = {
        ("job_seconds", "2"): 3.0,  # up to 0.1 s
        ("job_seconds", "13"): 2.0,  # over all limits
        ("job_seconds", "sum"): 900.5,
    }

    found = samples(FleetCounts(sums, []))

    buckets = [value for name, value in found.items() if name[0] == "trimind_job_seconds_bucket"]
    assert buckets == [0, 0, *[3] * 11, 5]
    assert found["trimind_job_seconds_count",] == 5
    assert found["trimind_job_seconds_sum",] == 900.5


def test_gauges_of_processes_of_one_kind_are_added_up() -> None:
    states = [
        ProcessState("web", {("pool_in_use", "redis"): 1, ("open_requests", "wait"): 4}),
        ProcessState("web", {("pool_in_use", "redis"): 2}),
        ProcessState("worker", {("pool_in_use", "redis"): 5}),
    ]

    found = samples(FleetCounts({}, states))

    assert found["trimind_pool_in_use", "web", "redis"] == 3
    assert found["trimind_pool_in_use", "worker", "redis"] == 5
    assert found["trimind_open_requests", "web", "wait"] == 4
    assert found["trimind_processes", "web"] == 2
    assert found["trimind_processes", "cpu"] == 0
