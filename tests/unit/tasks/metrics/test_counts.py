"""What a process counts in its memory."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tasks.metrics.counts import SUM, Counter, Histogram, spread_of, take_counts

_names = (f"of_a_test_{number}" for number in count())


@pytest.fixture(autouse=True)
def nothing() -> Iterator[None]:
    take_counts()
    yield
    take_counts()


@pytest.fixture
def name() -> str:
    return next(_names)


def test_what_is_taken_is_not_taken_again(name: str) -> None:
    counter = Counter(name, "Things.", kind=None)
    counter.add("a")
    counter.add("b", by=2)
    counter.add("a")

    assert take_counts() == {(name, "a"): 2, (name, "b"): 2}
    assert take_counts() == {}


def test_a_label_that_is_not_known_is_other(name: str) -> None:
    counter = Counter(name, "Things.", kind=("a", "b"), code=None)
    counter.add("a", "x")
    counter.add("made up by a caller", "x")

    assert take_counts() == {(name, "a", "x"): 1, (name, "other", "x"): 1}


def test_labels_that_are_known_have_values_before_anything_is_counted(name: str) -> None:
    known = Counter(name, "Things.", kind=("a", "b"), code=("1", "2"))
    assert [*known.known_values()] == [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")]
    assert [*Counter(name, "Things.").known_values()] == [()]
    assert [*Counter(name, "Things.", kind=("a",), code=None).known_values()] == []


def test_a_number_of_labels_that_is_wrong_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="zip"):
        Counter(name, "Things.", kind=None).add()


@pytest.mark.parametrize(
    ("seconds", "cumulative"),
    [(0.0, [1, 1, 1]), (0.1, [1, 1, 1]), (0.11, [0, 1, 1]), (2.0, [0, 1, 1]), (99.0, [0, 0, 1])],
)
def test_a_duration_counts_in_every_bucket_that_it_fits(
    name: str, seconds: float, cumulative: list[int]
) -> None:
    limits = (0.1, 2)
    Histogram(name, "Durations.", limits, kind=None).observe(seconds, "a")

    buckets, total = spread_of(take_counts(), (name, "a"), limits)

    assert buckets == [*zip(("0.1", "2.0", "+Inf"), cumulative, strict=True)]
    assert total == seconds


def test_durations_add_up(name: str) -> None:
    histogram = Histogram(name, "Durations.", (1,))
    for seconds in (0.25, 0.5, 3.0):
        histogram.observe(seconds)

    assert take_counts() == {(name, "0"): 2, (name, "1"): 1, (name, SUM): 3.75}


def test_threads_lose_no_count(name: str, together: Callable[..., list[object]]) -> None:
    counter, histogram = Counter(name, "Things."), Histogram(f"{name}s", "Durations.", (1,))

    def work() -> None:
        for _ in range(5_000):
            counter.add()
            histogram.observe(0.5)

    together(8, work)

    assert take_counts() == {(name,): 40_000, (f"{name}s", "0"): 40_000, (f"{name}s", SUM): 20_000}
