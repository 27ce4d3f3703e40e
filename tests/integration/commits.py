"""What follows a commit of the test's own process, whichever test came before."""

from collections.abc import Iterator
from contextlib import contextmanager

from models.lifecycle.after_commit import register_after_commit
from tasks.jobs import after_commit


@contextmanager
def followed() -> Iterator[None]:
    """Commits are followed by what a web process or a worker does: jobs are dispatched."""
    with unfollowed():
        after_commit.register()
        yield


@contextmanager
def unfollowed() -> Iterator[None]:
    """Commits are followed by nothing: a job stays as it was accepted."""
    replaced = register_after_commit()
    try:
        yield
    finally:
        register_after_commit(*replaced)
