"""A worker finishes the deletion of users."""

from collections.abc import Callable

import pytest

from models.lifecycle.user_deletion import begin_deletion
from models.session import unit_of_work
from models.users import User

from .conftest import Submit, finished, read

Until = Callable[..., None]


@pytest.mark.usefixtures("workers")
def test_a_worker_deletes_what_is_left_of_a_deleted_user(
    submit: Submit, external_id: str, until: Until
) -> None:
    job_id = submit("Hello")
    until(lambda: finished(job_id), 60)
    user_id = read(job_id).user_id
    with unit_of_work() as session:
        begin_deletion(session, external_id)

    def is_gone() -> bool:
        with unit_of_work() as session:
            return session.get(User, user_id) is None

    until(is_gone, 60)
