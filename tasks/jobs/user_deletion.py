"""The deletion of a user, after its begin: one small transaction after another."""

from collections.abc import Callable

from config.shutdown import shutting_down
from models.lifecycle.user_deletion import delete_some
from models.session import unit_of_work


def delete_user(user_id: str, progress: Callable[[int], object] = bool) -> bool:
    """Delete all that is a user's, whose deletion has begun; False if this process shuts down
    before the end.

    Args:
        progress: called with the number of rows of each batch.
    """
    while True:
        if shutting_down.is_set():
            return False
        with unit_of_work() as session:
            rows = delete_some(session, user_id)
        if rows == 0:
            return True
        progress(rows)
