"""The figures of a run as a table."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from .profiles import Profile

COLUMNS = (
    "accepted", "completed", "failed", "lost", "doubled", "paid_twice", "given_up",
    "recovery_p50_s", "recovery_p99_s",
)  # fmt: skip


Row = dict[str, Any]


class Report:
    """Rows of figures, one for each test, in the file that CHAOS_REPORT names, if any.

    Several processes may run tests: their rows are collected in a file beside it.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._path = os.environ.get("CHAOS_REPORT")

    def add(self, what: str, counts: dict[str, int], **more: float | int | str) -> None:
        """Add the figures of one test, and write those so far: a long run may be interrupted."""
        if not self._path:
            return
        row = {"fault": what, "seed": self._profile.seed, "figures": {**counts, **more}}
        with Path(self._path).with_suffix(".jsonl").open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps(row) + "\n")
            file.seek(0)
            rows = [json.loads(line) for line in file]
            Path(self._path).write_text(text(self._profile.name, rows))


def text(profile: str, rows: list[Row]) -> str:
    """A Markdown table, followed by the figures without a column."""
    seeds = ", ".join(str(seed) for seed in dict.fromkeys(row["seed"] for row in rows))
    lines = [
        f"Profile {profile}, seed {seeds}.",
        "",
        f"| fault | {' | '.join(column.replace('_', ' ') for column in COLUMNS)} |",
        f"| --- |{' --- |' * len(COLUMNS)}",
    ]
    for row in rows:
        cells = " | ".join(str(row["figures"].get(column, "")) for column in COLUMNS)
        lines.append(f"| {row['fault']} | {cells} |")
    lines.append("")
    for row in rows:
        rest = {name: value for name, value in row["figures"].items() if name not in COLUMNS}
        if rest:
            said = ", ".join(f"{name.replace('_', ' ')} {v}" for name, v in rest.items())
            lines.append(f"- {row['fault']}: {said}")
    return "\n".join([*lines, ""])


def percentile(values: list[float], share: float) -> float | str:
    """The percentile of these values; None if there are none."""
    if not values:
        return ""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1)
