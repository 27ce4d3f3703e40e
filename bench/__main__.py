"""Run the benchmarks: `python -m bench [NAME ...]`. The report is in build/bench.json and .md."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench.report import Result, as_json, as_markdown

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "build/bench"
# Modules of this folder that need no key and nothing that is not installed, and what they measure.
BENCHMARKS = {
    "jobs": "CPU of a whole job, all processes together, against one plain Celery task",
    "flat": "CPU of a job with 100,000 finished jobs in the tables, against one without them",
    "calls": "CPU and latency of an accept and of a poll, against publishing a plain task",
    "visible": "Time from submit to answer at 20 jobs a second, against a plain task's row",
    "checkpoint": "CPU of a fenced begin and checkpoint, against a bare UPDATE",
    "tracing": "What tracing adds to a job's CPU, with a collector",
    "streams": "Time until the first piece of an answer reaches a client, against the provider's",
    "waits": "Delay until a waiting client learns that its job has ended, against polling",
    "waiting": "Jobs a second of one worker whose provider takes a second, against fewer threads",
    "fairness": "Time of a user's job while another user has 2,000 queued; a cancel of 1,000",
    "slow_clients": "Latency of a normal client beside 500 slow ones",
    "searches": "Time of each list and search with 100,000 jobs and 200,000 messages",
    "board": "Time of each call of the operators' board with 100,000 and 200,000 jobs",
    "migrations": "Time and locks of each migration with 1,000,000 jobs; takes 10 GB of disk",
    "page": "What 10,000 pieces of an answer, 200 a second, cost a pane of the page in a browser",
    "first_load": "Time until the page is usable with a cold cache, and what it transfers",
    "rest": "Memory and CPU of the whole stack while nothing happens, and how soon it is ready",
    "servers": "CPU per request and event, and memory per stream, of web servers",
}


def main() -> None:
    """Run those that are named, or all, one after the other."""
    names = _parser().parse_args().names or list(BENCHMARKS)
    results = []
    for number, name in enumerate(names, 1):
        print(f"[{number}/{len(names)}] {name}: {BENCHMARKS[name]}", flush=True)
        results.append(_result(name))
        _write(results)  # after each, so that an interrupted run leaves what it has
    print(f"{REPORT}.json, {REPORT}.md")
    sys.exit(any(result.exit_code for result in results))


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:14}{measures}" for name, measures in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        "python -m bench",
        description=f"Measure on this machine; all of these, or those that are named:\n\n{listed}",
        epilog=f"The report is in {REPORT}.json and .md.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", type=_benchmark)
    return parser


def _benchmark(name: str) -> str:
    if name not in BENCHMARKS:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(BENCHMARKS)}")
    return name


def _result(name: str) -> Result:
    command = [sys.executable, "-u", "-m", f"bench.{name}"]
    began = time.monotonic()
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        lines = tuple(_shown(process))
    took = time.monotonic() - began
    return Result(name, BENCHMARKS[name], process.returncode, took, lines)


def _shown(process: "subprocess.Popen[str]") -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        print(f"      {line}", end="", flush=True)
        yield line.rstrip("\n")


def _write(results: list[Result]) -> None:
    machine = f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    at = datetime.now(UTC).isoformat(timespec="seconds")
    REPORT.parent.mkdir(exist_ok=True)
    report = {"at": at, "machine": machine, "benchmarks": as_json(results)}
    REPORT.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n")
    REPORT.with_suffix(".md").write_text(as_markdown(f"{machine}, {at}", results))


if __name__ == "__main__":
    main()
