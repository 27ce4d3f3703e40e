from pathlib import Path

from bench.__main__ import BENCHMARKS, ROOT
from bench.report import Figure, Result, as_json, as_markdown

LINES = (
    "  (0.52 s)",
    "bare UPDATE                  0.210 ms of CPU",
    "alone: 200 calls",
    "  ... 30 of 200 jobs",
    "  median                  3.1 ms",
    "  ratio of the medians    -1.50",
    "| server | us a request |",
    "| --- | --- |",
    "| Trimind   | 380 |",
)
RESULT = Result("made_up", "What it measures", 0, 1.26, LINES)


def test_the_figures_are_found_with_their_groups() -> None:
    assert RESULT.figures == [
        Figure("", "bare UPDATE", 0.21, "ms of CPU"),
        Figure("alone: 200 calls", "median", 3.1, "ms"),
        Figure("alone: 200 calls", "ratio of the medians", -1.5, ""),
    ]


def test_the_report_has_the_figures_and_the_tables() -> None:
    made = as_json([RESULT])["made_up"]
    page = as_markdown("a machine", [RESULT])

    assert isinstance(made, dict)
    assert (made["exit_code"], made["seconds"], len(made["figures"])) == (0, 1.3, 3)
    assert "| alone: 200 calls | median | 3.1 ms |" in page
    assert "| --- | --- |\n| Trimind   | 380 |" in page
    assert "failed" not in page


def test_what_failed_is_said_with_its_last_line() -> None:
    failed = Result("made_up", "What it measures", 1, 0.1, ("the p99 is over 100 ms",))

    assert "It failed: the p99 is over 100 ms" in as_markdown("a machine", [failed])


def test_every_benchmark_is_a_module_and_the_page_names_it() -> None:
    page = (ROOT / "bench/README.md").read_text()

    for name in BENCHMARKS:
        assert Path(ROOT, f"bench/{name}.py").is_file()
        assert f"-m bench.{name}`" in page
