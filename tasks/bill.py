"""What a run's calls cost, and which of them failed."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from models.spent import COLUMNS, NOTHING, Spent


class Bill:
    """The bill of one run of a stage. Only the run's own thread reads and writes it.

    Args:
        earlier: the failed calls of the stage's earlier runs.

    Attributes:
        spent: what all calls of the run have cost.
        unreserved_usd: what failed ones have cost that is not reserved from the user's budget yet.
        reserved_usd: what was reserved for failed ones during the run.
    """

    def __init__(self, earlier: Iterable[Mapping[str, Any]] = ()) -> None:
        self.spent = NOTHING
        self.unreserved_usd = self.reserved_usd = Decimal(0)
        self._tried = {(row["model"], row["code"]): dict(row) for row in earlier}

    def add(self, spent: Spent) -> None:
        """Record a call that was answered."""
        self.spent += spent

    def failed(self, model: str, code: str, spent: Spent | None) -> None:
        """Record a call that failed, with its cost if it had any."""
        row = self._row(model, code)
        row["calls"] += 1
        if spent is None:
            return
        self.spent += spent
        self.unreserved_usd += spent.cost_usd
        for name in COLUMNS[:2]:
            row[name] = row.get(name, 0) + getattr(spent, name)
        row["cost_usd"] = f"{Decimal(row.get('cost_usd', 0)) + spent.cost_usd:.6f}"

    def note_reserved(self) -> None:
        """Note that what failed calls have cost is reserved."""
        self.reserved_usd += self.unreserved_usd
        self.unreserved_usd = Decimal(0)

    def skipped(self, model: str, code: str) -> None:
        """Record a model that was not called, or whose failed calls are recorded already."""
        self._row(model, code)

    def most_calls(self, code: str) -> int:
        """The highest number of failed calls with this code of any one model, over all runs."""
        return max((row["calls"] for row in self._tried.values() if row["code"] == code), default=0)

    @property
    def tried(self) -> list[dict[str, Any]]:
        """The receipt's failed calls: for each model and code, how many there were and their cost,
        if they had any."""
        return list(self._tried.values())

    def _row(self, model: str, code: str) -> dict[str, Any]:
        return self._tried.setdefault((model, code), {"model": model, "code": code, "calls": 0})
