"""The simulation follows the code, and loses no job."""

import pytest

from bench.simulation import Pace, System, Trouble
from bench.sizing import COSTS, JOBS_A_DAY, TROUBLES, course_of, worker_processes
from config.settings import Settings
from models.lifecycle.reconciliation import QUEUE_LEASE_MAX_S
from models.lifecycle.retention import ROWS
from tasks.worker import reconciler, sweeper


def test_it_works_at_the_pace_of_the_code() -> None:
    default = {name: field.default for name, field in Settings.model_fields.items()}

    assert Pace() == Pace(
        threads=default["worker_threads"],
        reconcile_every_s=default["reconcile_every_s"],
        reconciled_at_once=reconciler.BATCH,
        batches=reconciler.BATCHES,
        few_waiting=reconciler.FEW_WAITING,
        queue_lease_s=default["queue_lease_s"],
        lease_s=default["lease_s"],
        deadline_s=default["deadline_s"],
        expired_at_once=sweeper.BATCHES * ROWS,
        sweep_every_s=sweeper.EVERY_S,
        connections_a_process=default["database_pool"],
    )
    assert QUEUE_LEASE_MAX_S == 3600


def test_no_queue_grows_while_there_are_workers_enough() -> None:
    system = System(100, worker_processes(100), calls_s=5)
    system.run(600)

    assert system.course.queued == 0
    assert system.course.copies == 0
    assert system.unfinished == 500


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
@pytest.mark.parametrize("jobs_s", [3, 50.5])
def test_every_job_is_finished_or_expired_or_left(jobs_s: float, trouble: Trouble) -> None:
    system = System(jobs_s, worker_processes(jobs_s), calls_s=5)
    system.run(60)
    before = system.course
    after = system.suffer(trouble, within_s=3600)

    assert after.recovered_s is not None
    ended = before.finished + after.finished + after.expired
    assert before.accepted + after.accepted == ended + after.left


@pytest.mark.parametrize(("processes", "rate"), [(1, 100), (20, 500)])
def test_lost_messages_are_published_as_fast_as_workers_take_them(
    processes: int, rate: int
) -> None:
    """Thirty thousand jobs are accepted meanwhile."""
    system = System(50, processes, calls_s=1)
    course = system.suffer(Trouble("away", away_s=600), within_s=3600)

    assert course.again_s - 600 == pytest.approx(30_000 / rate, rel=0.5)
    assert course.expired == 0


def test_what_is_lost_for_longer_than_its_deadline_expires() -> None:
    system = System(200, worker_processes(200), calls_s=5)
    course = system.suffer(Trouble("away", away_s=3500), within_s=6 * 3600)

    assert course.expired > 0


def test_a_second_copy_of_what_merely_waits_costs_workers_time() -> None:
    slow = System(0.001, processes=1, calls_s=1)
    slow.jobs_s = 500
    slow.run(120)

    assert slow.course.copies > 0
    assert slow.course.finished < 120 * 1000 / COSTS.worker


def test_a_batch_at_each_look_would_be_too_few_for_a_hundred_million_jobs_a_day() -> None:
    jobs, trouble = JOBS_A_DAY[-1], TROUBLES[1]

    assert course_of(jobs, trouble).expired == 0
    assert course_of(jobs, trouble, Pace(batches=1)).expired > 0
