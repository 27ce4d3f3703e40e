"""How a caller wants a job answered, beside its mind: kept with the job, as JSON."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Options:
    """What one job has of its own; what is None is as the mind and the settings say.

    `instructions` follow the mind's system prompt. `model` is asked instead of the mind's route.
    `history` is what was said before, as (role, text), when it came with the call itself.
    `merges` are the sibling jobs whose answers are to be made one. `background` is whether nobody
    waited for it, where it came as a response of the OpenAI facade.
    """

    instructions: str | None = None
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    history: tuple[tuple[str, str], ...] = ()
    merges: tuple[str, ...] = ()
    background: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """As the job's column holds them: nothing but what was asked for."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "Options":
        """From the job's column."""
        history = tuple((role, text) for role, text in kept.get("history", ()))
        return cls(**{**kept, "history": history, "merges": tuple(kept.get("merges", ()))})
