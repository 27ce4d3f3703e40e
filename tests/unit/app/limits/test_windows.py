"""What is counted in memory, while Redis is unavailable."""

from app.limits.windows import MOST_IN_MEMORY, WINDOW_S, MemoryWindows

MOST = 100
LIMIT = 2


def test_no_number_of_addresses_fills_the_memory() -> None:
    windows = MemoryWindows(MOST)
    kept = []
    for number in range(100 * MOST):
        assert windows.add(f"address {number}", LIMIT, WINDOW_S)[0]
        kept.append(len(windows))
    assert max(kept) == MOST
    assert MOST_IN_MEMORY <= 10_000


def test_an_address_is_counted_beside_others() -> None:
    windows = MemoryWindows(MOST)
    assert len(windows) == 0
    added = []
    for number in range(MOST // 2):
        added.append(windows.add("known", LIMIT, WINDOW_S)[0])
        windows.add(f"address {number}", LIMIT, WINDOW_S)
    assert sum(added) in (LIMIT, LIMIT + 1)  # the latter at the turn of a minute
    assert MOST // 2 < len(windows) < MOST
