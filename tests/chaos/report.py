"""The figures of a run as a table."""

import os
from pathlib import Path

from .profiles import Profile

COLUMNS = (
    "accepted", "completed", "failed", "lost", "doubled", "paid_twice", "given_up",
    "recovery_p50_s", "recovery_p99_s",
)  # fmt: skip


class Report:
    """Rows of figures, one for each test."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._rows: list[tuple[str, dict[str, float | int | str]]] = []

    def add(self, what: str, counts: dict[str, int], **more: float | int | str) -> None:
        """Add the figures of one test, and write those so far: a long run may be interrupted."""
        self._rows.append((what, {**counts, **more}))
        self._write()

    def _write(self) -> None:
        """Write the figures to the file that CHAOS_REPORT names, if any."""
        path = os.environ.get("CHAOS_REPORT")
        if path and self._rows:
            Path(path).write_text(self.text())

    def text(self) -> str:
        """A Markdown table, followed by the figures without a column."""
        lines = [
            f"Profile {self._profile.name}, seed {self._profile.seed}.",
            "",
            f"| fault | {' | '.join(column.replace('_', ' ') for column in COLUMNS)} |",
            f"| --- |{' --- |' * len(COLUMNS)}",
        ]
        for what, counts in self._rows:
            cells = " | ".join(str(counts.get(column, "")) for column in COLUMNS)
            lines.append(f"| {what} | {cells} |")
        lines.append("")
        for what, counts in self._rows:
            rest = {name: value for name, value in counts.items() if name not in COLUMNS}
            if rest:
                said = ", ".join(f"{name.replace('_', ' ')} {v}" for name, v in rest.items())
                lines.append(f"- {what}: {said}")
        return "\n".join([*lines, ""])


def percentile(values: list[float], share: float) -> float | str:
    """The percentile of these values; None if there are none."""
    if not values:
        return ""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1)
