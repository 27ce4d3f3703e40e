"""One stage's record: what `jobs.stages` keeps of it, by the stage's name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, Self

StageStatus = Literal["pending", "running", "completed", "skipped", "degraded", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """How a stage of a job went. A field that is None is not stored.

    `began` and `ended` are the numbers of the stage's first and last event. `text`: it waits,
    although clients may have received a part of its text. `tried`: the models whose calls failed.
    What clients see of it is named in `app/schemas/jobs.py`.
    """

    status: StageStatus = "pending"
    ms: int | None = None
    began: int | None = None
    ended: int | None = None
    text: bool | None = None
    reason: str | None = None
    code: str | None = None
    tried: Sequence[Mapping[str, Any]] | None = None
    intent: str | None = None
    confidence: float | None = None
    cached: bool | None = None
    compressor: str | None = None
    tokens_before: int | None = None
    tokens_after: int | None = None
    model: str | None = None
    first_token_ms: int | None = None
    merged: Sequence[str] | None = None
    cut: Sequence[str] | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """Read a stored record, without the fields that only another release knows."""
        return cls(**{name: value for name, value in stored.items() if name in FIELDS})

    def stored(self) -> dict[str, Any]:
        """The record as JSON."""
        return {name: value for name in FIELDS if (value := getattr(self, name)) is not None}


FIELDS: Final = tuple(field.name for field in fields(StageRecord))
