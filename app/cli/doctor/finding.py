"""The result of a check."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from app.cli.client.terminal import shown

State = Literal["ok", "optional", "missing", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One dependency: what was found, and how to fix it.

    `optional`: missing, but Trimind works without it. `missing`: Trimind needs it. `wrong`: it is
    there, but no production should run with it as it is.
    """

    name: str
    state: State
    found: str
    to_do: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def line(self) -> str:
        """For people."""
        advice = f"\n{'':<10}{'':<14}-> {self.to_do}" if self.to_do else ""
        return shown(f"{self.state:<10}{self.name:<14}{self.found}{advice}")


def ok(name: str, found: str, to_do: str | None = None) -> Finding:
    """A dependency that is there."""
    return Finding(name, "ok", found, to_do)


def optional(name: str, found: str, to_do: str | None = None) -> Finding:
    """A missing dependency that Trimind works without."""
    return Finding(name, "optional", found, to_do)


def missing(name: str, found: str, to_do: str) -> Finding:
    """A missing dependency that Trimind needs."""
    return Finding(name, "missing", found, to_do)


def wrong(name: str, found: str, to_do: str) -> Finding:
    """A dependency that is there, but set up wrongly."""
    return Finding(name, "wrong", found, to_do)
