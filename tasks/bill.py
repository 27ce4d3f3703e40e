"""What the calls of a run have cost, and which of them failed."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from models.spent import COLUMNS, NOTHING, Spent


class Bill:
    """The bill of one run of a stage; `earlier` are the failed calls of its earlier runs.

    Written and read by the thread of the run alone.
    """

    def __init__(self, earlier: Iterable[Mapping[str, Any]] = ()) -> None:
        self.spent = NOTHING
        self._tried = {(row["model"], row["code"]): dict(row) for row in earlier}

    def add(self, spent: Spent) -> None:
        """A call was answered."""
        self.spent += spent

    def failed(self, model: str, code: str, spent: Spent | None) -> None:
        """A call failed, and has cost so much, or nothing."""
        row = self._row(model, code)
        row["calls"] += 1
        if spent is None:
            return
        self.spent += spent
        for name in COLUMNS[:2]:
            row[name] = row.get(name, 0) + getattr(spent, name)
        row["cost_usd"] = f"{Decimal(row.get('cost_usd', 0)) + spent.cost_usd:.6f}"

    def skipped(self, model: str, code: str) -> None:
        """A model was not asked, or its failed calls are here already."""
        self._row(model, code)

    def most_calls(self, code: str) -> int:
        """How many calls of one model have failed with this code, at most, in all runs."""
        return max((row["calls"] for row in self._tried.values() if row["code"] == code), default=0)

    @property
    def tried(self) -> list[dict[str, Any]]:
        """The models that failed, for the receipt: by model and code the number of calls that were
        made, and what they have cost where they have."""
        return list(self._tried.values())

    def _row(self, model: str, code: str) -> dict[str, Any]:
        return self._tried.setdefault((model, code), {"model": model, "code": code, "calls": 0})
