"""Jobs beyond their user's share: held, and released by the end of another, on the real SQL."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import delete, func, insert, literal, select, update

from models.conversations import Message
from models.jobs import BULK, CROWDED, FIRST, Job
from models.lifecycle.after_commit import PendingDispatch
from models.lifecycle.endings import cancel
from models.lifecycle.fence import jobs as jobs_table
from models.lifecycle.fence import now
from models.lifecycle.reconciliation import end_all_overdue, take_due
from models.lifecycle.shares import EXACT, FEW
from models.lifecycle.survey import survey
from models.lifecycle.track_queue import release_stranded
from models.lifecycle.transitions import wait
from models.limits import change_limits
from models.session import unit_of_work
from models.users import get_or_create_user
from tasks.worker.held_jobs import held_jobs

from .conftest import MakeJob, own, read
from .test_completion import alone, try_complete
from .test_track_queue import AT_ONCE, ENDS, MANY, change, followed

Share = Callable[[int], None]


@pytest.fixture(autouse=True)
def none_before() -> Iterator[None]:
    """No unfinished job is left of an earlier test, nor by these."""
    with unit_of_work() as session:
        session.execute(delete(Job))
    yield
    with unit_of_work() as session:
        session.execute(delete(Job))


def slots(jobs: list[str]) -> list[str | None]:
    return [read(job).slot for job in jobs]


def lanes(jobs: list[str]) -> list[int]:
    return [read(job).lane for job in jobs]


def end(job_id: str) -> list[PendingDispatch]:
    return followed(lambda session: cancel(session, job_id)).released


def test_a_job_beyond_its_users_share_is_held(make_job: MakeJob, share: Share) -> None:
    share(2)
    jobs = [make_job() for _ in range(4)]
    assert slots(jobs) == ["queued", "queued", "held", "held"]
    held = read(jobs[2])
    assert (held.status, held.stage, held.queue_lease_until) == ("queued", "intent", None)


def test_a_user_may_have_a_share_of_his_own(
    make_job: MakeJob, external_id: str, share: Share
) -> None:
    share(1)
    own_share(external_id, 3)
    jobs = [make_job() for _ in range(5)]
    assert slots(jobs) == ["queued", "queued", "queued", "held", "held"]
    end(jobs[0])
    assert slots(jobs[1:]) == ["queued", "queued", "queued", "held"]

    own_share(external_id, 4)
    assert survey().stray
    with unit_of_work() as session:
        assert release_stranded(session, MANY) == 1
    assert slots(jobs[1:]) == ["queued"] * 4

    own_share(external_id, None)
    assert read(make_job()).slot == "held"


def test_whoever_looks_at_a_worker_sees_how_many_jobs_are_held(
    make_job: MakeJob, share: Share
) -> None:
    share(1)
    for _ in range(3):
        make_job()
    free = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        assert held_jobs(threads) == 2
        threads.submit(free.wait)
        assert held_jobs(threads) is None  # no thread has time for it
        free.set()


def own_share(external_id: str, jobs: int | None) -> None:
    with unit_of_work() as session:
        user_id = get_or_create_user(session, external_id)
        change_limits(session, user_id, {"jobs_in_flight": jobs})


def test_soon_after_a_large_share_is_in_flight_all_jobs_are_held(
    make_job: MakeJob, share: Share
) -> None:
    share(EXACT + 1)
    first = make_job()
    add_copies(first, EXACT)

    # Not every job counts all.
    assert any(read(make_job()).slot == "held" for _ in range(200))
    assert slots([make_job() for _ in range(3)]) == ["held"] * 3


def add_copies(job_id: str, number: int) -> None:
    columns = [name for name in jobs_table.columns.keys() if name != "id"]  # noqa: SIM118
    copy_id = literal("job_copy").op("||")(func.generate_series(1, number))
    rows = select(copy_id, *jobs_table.c[tuple(columns)]).where(Job.id == job_id)
    with unit_of_work() as session:
        session.execute(insert(jobs_table).from_select(["id", *columns], rows))


def test_a_share_is_one_users(
    make_job: MakeJob, share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    share(1)
    mine = [make_job() for _ in range(2)]
    with unit_of_work() as session:
        other = get_or_create_user(session, f"other-{uuid4().hex}")
    with unit_of_work() as session:
        session.execute(update(Job).where(Job.id.in_(mine)).values(user_id=other))
    assert slots([*mine, make_job()]) == ["queued", "held", "queued"]


def test_what_waits_or_runs_is_in_flight(make_job: MakeJob, share: Share) -> None:
    share(2)
    running, waiting = own(make_job(), "intent"), own(make_job(), "intent")
    with unit_of_work() as session:
        assert wait(session, waiting, AT_ONCE, counts=True)
    assert (read(running.job_id).slot, read(waiting.job_id).slot) == ("running", "waiting")
    assert read(make_job()).slot == "held"


def test_what_is_blocked_or_has_ended_is_not_in_flight(make_job: MakeJob, share: Share) -> None:
    share(2)
    first = make_job()
    blocked = make_job(conversation_id=read(first).conversation_id)
    assert slots([blocked, make_job()]) == ["blocked", "queued"]
    end(first)
    assert slots([blocked, make_job()]) == ["queued", "held"]


@pytest.mark.parametrize(("end_job", "status"), ENDS.items())
def test_every_end_releases_the_oldest_held_job_in_the_same_transaction(
    make_job: MakeJob, share: Share, end_job: Callable[[str], object], status: str
) -> None:
    share(1)
    first, second, third = (make_job(f"more {n}") for n in range(3))
    after = end_job(first)
    assert read(first).status == status
    assert slots([second, third]) == ["queued", "held"]
    assert PendingDispatch(second, 1, "intent", "more 1", FIRST) in after.released  # type: ignore[attr-defined]


def test_a_job_completed_at_once_releases_the_next_one_with_the_same_statement(
    make_job: MakeJob, share: Share
) -> None:
    share(1)
    jobs = [make_job() for _ in range(3)]
    fence, since = alone(jobs[0])
    assert try_complete(fence, since) is not None
    assert slots(jobs) == [None, "queued", "held"]
    assert read(jobs[1]).queue_lease_until is not None


def test_a_transaction_that_is_rolled_back_releases_none(make_job: MakeJob, share: Share) -> None:
    share(1)
    jobs = [make_job() for _ in range(2)]

    def ends_and_breaks() -> None:
        with unit_of_work() as session:
            assert cancel(session, jobs[0])
            raise KeyError

    with pytest.raises(KeyError):
        ends_and_breaks()
    assert slots(jobs) == ["queued", "held"]


def test_a_part_of_a_large_share_is_released_at_once(make_job: MakeJob, share: Share) -> None:
    share(32)
    jobs = [make_job() for _ in range(36)]
    assert slots(jobs)[31:] == ["queued"] + ["held"] * 4
    released = [[due.job_id for due in end(job)] for job in jobs[:17]]
    # Not every end counts so many jobs; each does when few are left.
    assert released[0] == []
    assert next(len(each) for each in released if each) >= 2
    assert [job for each in released for job in each] == jobs[32:]


def test_interactive_jobs_are_released_before_bulk_ones(make_job: MakeJob, share: Share) -> None:
    share(1)
    first, bulk = make_job(), make_job(priority="bulk")
    later = make_job()
    assert [due.job_id for due in end(first)] == [later]
    assert [due.job_id for due in end(later)] == [bulk]


def test_no_job_overtakes_a_held_one_but_an_interactive_one_a_bulk_one(
    make_job: MakeJob, share: Share
) -> None:
    share(2)
    jobs = [make_job(), make_job(), make_job(priority="bulk")]
    change(jobs[0], slot="running", run_token=uuid4(), lease_until=now())
    with unit_of_work() as session:
        session.execute(delete(Job).where(Job.id == jobs[0]))
    assert read(make_job(priority="bulk")).slot == "held"
    assert read(make_job()).slot == "queued"


def test_the_first_few_jobs_of_a_user_go_first_and_bulk_jobs_last(make_job: MakeJob) -> None:
    bulk = make_job(priority="bulk")
    jobs = [make_job() for _ in range(FEW + 1)]
    assert lanes([bulk, *jobs]) == [BULK] + [FIRST] * (FEW - 1) + [CROWDED] * 2
    assert [read(job).priority for job in (bulk, jobs[-1])] == ["bulk", "interactive"]


def test_a_lost_message_is_published_again_in_its_lane(make_job: MakeJob) -> None:
    job_id = make_job(priority="bulk")
    change(job_id, queue_lease_until=now())
    with unit_of_work() as session:
        assert [due.lane for due in take_due(session, MANY)] == [BULK]


def test_a_held_job_blocks_the_later_ones_of_its_track(make_job: MakeJob, share: Share) -> None:
    share(1)
    first, held = make_job(), make_job()
    later = make_job(conversation_id=read(held).conversation_id)
    assert slots([held, later]) == ["held", "blocked"]
    assert not survey().stray
    end(first)
    assert slots([held, later]) == ["queued", "blocked"]
    end(held)
    assert slots([later]) == ["queued"]


def test_a_blocked_job_that_is_released_takes_the_place_of_the_one_before(
    make_job: MakeJob, share: Share
) -> None:
    share(1)
    first = make_job()
    later = make_job(conversation_id=read(first).conversation_id)
    held = make_job()
    assert [due.job_id for due in end(first)] == [later]
    assert slots([later, held]) == ["queued", "held"]


def test_a_held_job_can_be_cancelled_and_expires(make_job: MakeJob, share: Share) -> None:
    share(1)
    jobs = [make_job() for _ in range(3)]
    end(jobs[1])
    change(jobs[2], expires_at=now())
    assert survey().stray
    with unit_of_work() as session:
        assert end_all_overdue(session, MANY) == 1
    assert [read(job).status for job in jobs] == ["queued", "cancelled", "expired"]


def test_a_held_job_whose_message_is_gone_is_passed_over(make_job: MakeJob, share: Share) -> None:
    share(1)
    jobs = [make_job() for _ in range(3)]
    with unit_of_work() as session:
        session.execute(delete(Message).where(Message.id == read(jobs[1]).message_id))
    end(jobs[0])
    assert slots(jobs) == [None, "held", "queued"]


def test_jobs_that_are_held_for_nothing_are_found(make_job: MakeJob, share: Share) -> None:
    share(2)
    jobs = [make_job() for _ in range(5)]
    assert not survey().stray
    with unit_of_work() as session:
        assert release_stranded(session, MANY) == 0
        # As a worker of the release before does, which leaves them.
        session.execute(delete(Job).where(Job.id.in_(jobs[:2])))
    assert survey().stray
    with unit_of_work() as session:
        assert release_stranded(session, MANY) == 2
    assert slots(jobs[2:]) == ["queued", "queued", "held"]
    assert not survey().stray


def test_ends_at_once_release_each_held_job_once(
    make_job: MakeJob, share: Share, together: Callable[..., None]
) -> None:
    share(8)
    jobs = [make_job() for _ in range(24)]
    work = iter(jobs[:8])
    found: list[str] = []

    def end_one() -> None:
        found.extend(due.job_id for due in end(next(work)))

    together(8, end_one)
    assert len(found) == len(set(found))
    assert sorted(found) == sorted(job for job in jobs[8:] if read(job).slot == "queued")
    # One of them at least saw that others had ended, or the next end will.
    for job in jobs[8:]:
        if read(job).slot == "queued":
            end(job)
    assert "queued" in slots(jobs[8:]) or set(slots(jobs[8:])) == {None}
