"""Of all workers, one reconciles at a time; without Redis, each does."""

from collections.abc import Callable

import pytest

from config.settings import get_settings
from tasks.worker.turn import return_turn, take_turn

from .conftest import Server, Supervisor

Until = Callable[..., None]
LONG_S = 60


@pytest.fixture(autouse=True)
def nobodys(environment: Server) -> None:
    return_turn()


def test_of_several_workers_one_takes_the_turn(together: Callable[..., list[object]]) -> None:
    assert sorted(together(8, lambda: take_turn(LONG_S)), key=bool) == [False] * 7 + [True]


def test_a_turn_ends_by_itself_and_another_worker_takes_the_next(until: Until) -> None:
    assert take_turn(0.5)
    until(lambda: take_turn(LONG_S))
    assert not take_turn(LONG_S)


def test_a_turn_that_was_returned_is_taken_at_once() -> None:
    assert take_turn(LONG_S)
    return_turn()
    assert take_turn(LONG_S)


def test_another_installation_on_the_same_redis_has_turns_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert take_turn(LONG_S)
    with monkeypatch.context() as patch:
        patch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/another")
        get_settings.cache_clear()
        return_turn()
        assert take_turn(LONG_S)
        assert not take_turn(LONG_S)
    get_settings.cache_clear()
    assert not take_turn(LONG_S)


def test_without_redis_every_worker_looks(supervisor: Supervisor) -> None:
    supervisor.kill("redis")
    assert take_turn(LONG_S)
    assert take_turn(LONG_S)
    return_turn()
