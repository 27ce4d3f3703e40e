"""What a process counts by itself; its Redis is unavailable."""

from collections.abc import Iterator

import pytest

from app.limits.portions import MOST_KEYS, PortionStorage
from app.limits.windows import WATCHER, WINDOW_S
from config.outages import outages

LIMIT = 1_000
FREE = LIMIT // 100


@pytest.fixture
def storage(settled: None) -> Iterator[PortionStorage]:
    yield PortionStorage("")
    outages.clear("redis", WATCHER)


def count(storage: PortionStorage, key: str = "user", limit: int = LIMIT) -> bool:
    return storage.acquire_sliding_window_entry(key, limit, WINDOW_S)


def counted(storage: PortionStorage, key: str = "user") -> int:
    return storage.get_sliding_window(key, WINDOW_S)[2]


def asked(storage: PortionStorage) -> bool:
    """Whether Redis was asked; it does not answer."""
    return storage._unavailable_until > 0


def test_a_hundredth_of_the_limit_is_counted_without_asking(storage) -> None:
    assert all(count(storage) for _ in range(FREE))
    assert (counted(storage), asked(storage)) == (FREE, False)
    assert count(storage)
    assert (counted(storage), asked(storage)) == (FREE + 1, True)


def test_the_limit_is_exact_for_a_single_process(storage) -> None:
    # At the turn of a minute, which the memory's windows follow, as many again may be counted.
    assert sum(count(storage) for _ in range(3 * LIMIT)) in range(LIMIT, 2 * LIMIT + 1)
    assert not count(storage)


def test_no_number_of_users_fills_the_memory(storage) -> None:
    for number in range(MOST_KEYS + 100):
        assert count(storage, f"user {number}")
    assert len(storage) == MOST_KEYS <= 10_000
    assert counted(storage, "user 0") == 0  # forgotten
    assert counted(storage, f"user {MOST_KEYS}") == 1
