"""One ULID, three names."""

import pytest

from app.openai.ids import item_id_of, job_id_of, response_id_of

from .conftest import ULID


def test_a_response_and_its_answer_have_the_jobs_ulid():
    assert response_id_of(f"job_{ULID}") == f"resp_{ULID}"
    assert job_id_of(f"resp_{ULID}") == f"job_{ULID}"
    assert item_id_of(f"job_{ULID}") == f"msg_{ULID}"


@pytest.mark.parametrize(
    "odd", ["", "resp_", f"job_{ULID}", ULID, f"resp_{ULID}\n", f"resp_{ULID.lower()}", "resp_é"]
)
def test_what_is_no_id_of_a_response_means_no_job(odd):
    assert job_id_of(odd) is None
