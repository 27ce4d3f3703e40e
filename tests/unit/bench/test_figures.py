"""What a benchmark prints is what the report reads."""

import pytest

from bench.figures import fail_above, figure, group, latencies, p99, ratio
from bench.report import Figure, Result


def test_what_is_printed_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    group("a name: 3 calls")
    figure("a name that is longer than the column for it", 1_234_567, "ms of CPU")
    latencies([1.0, 3.0, 2.0], of="first piece, ")
    ratio("of the medians", 1, 4)

    lines = tuple(capsys.readouterr().out.splitlines())
    assert Result("", "", 0, 0, lines).figures == [
        Figure(lines[0], "a name that is longer than the column for it", 1_234_567, "ms of CPU"),
        Figure(lines[0], "first piece, median", 2, "ms"),
        Figure(lines[0], "first piece, p99", 3, "ms"),
        Figure(lines[0], "ratio of the medians", 0.25, ""),
    ]


def test_one_of_a_hundred_may_exceed_the_p99() -> None:
    assert p99([*range(100), 1000]) == 99


def test_what_is_too_slow_ends_the_benchmark() -> None:
    fail_above(100, "the p99", 100)
    with pytest.raises(SystemExit, match="the p99 is over 100 ms"):
        fail_above(100, "the p99", 100.1)
