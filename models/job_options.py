"""How a caller wants a job answered, apart from its mind; stored with the job as JSON."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Options:
    """The options of one job; None means the default of the mind or the settings.

    `instructions` follow the mind's system prompt. `model` replaces the mind's route.
    `history` is the earlier messages, as (role, text), if the call brought them.
    `merges` are the sibling jobs whose answers to merge. `background`, of a response of the OpenAI
    facade, says that no caller waited for it.
    """

    instructions: str | None = None
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    history: tuple[tuple[str, str], ...] = ()
    merges: tuple[str, ...] = ()
    background: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """The value of the job's column: only the options that were given."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "Options":
        """Read the value of the job's column."""
        history = tuple((role, text) for role, text in stored.get("history", ()))
        return cls(**{**stored, "history": history, "merges": tuple(stored.get("merges", ()))})
