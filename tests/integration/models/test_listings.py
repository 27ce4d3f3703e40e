"""The cost of a list, in rows read, depends on its page and the user's own data only."""

import pytest
from sqlalchemy.orm import Session

from models.conversations import find_session
from models.idempotency import sweep
from models.job_lists import list_jobs
from models.jobs import STATUSES
from models.lifecycle.admission import admit

from .plans import indexes_used, rows_read


@pytest.mark.parametrize("status", STATUSES)
def test_a_list_by_status_reads_what_it_shows(filled: None, status: str) -> None:
    def work(session: Session) -> None:
        assert (len(list_jobs(session, "user_many", limit=20, status=status)) == 21) == (
            status == "completed"
        )

    assert rows_read(work) < 200


@pytest.mark.parametrize("status", [*STATUSES, None])
def test_a_list_of_a_conversation_s_jobs_reads_no_others(filled: None, status: str | None) -> None:
    def work(session: Session) -> None:
        here = {"conversation_id": "conv_many_7", "status": status}
        found = list_jobs(session, "user_many", limit=20, **here)
        assert len(found) == (21 if status in ("completed", None) else 0)

    assert rows_read(work) < 250


def test_a_job_that_finds_its_track_free_reads_none_of_the_finished_ones(filled: None) -> None:
    def work(session: Session) -> None:
        assert admit(session, "conv_many_7", "m") == "queued"

    assert rows_read(work) == 0
    assert set(indexes_used(work)) == {"ix_jobs_unfinished"}


def test_a_session_is_found_without_reading_the_user_s_others(filled: None) -> None:
    def work(session: Session) -> None:
        assert find_session(session, "user_titles", "absent") is None
        assert find_session(session, "user_titles", "conv_titles_7") is not None

    assert rows_read(work) < 10


def test_expired_keys_are_found_without_reading_the_others(filled: None) -> None:
    assert rows_read(lambda session: sweep(session, 5)) < 20
