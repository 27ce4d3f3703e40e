"""Select the models that may answer a job: the caller's choice, or else the mind's route."""

from dataclasses import dataclass
from typing import Any, Final

from config.minds import FALLBACK_INTENT, get_minds
from config.settings import get_settings
from tasks.execution.work import Work

PINNED: Final = "pinned"


@dataclass(frozen=True)
class Route:
    """The models to try, in order, and the reason that the receipt gives."""

    models: tuple[str, ...]
    reason: str

    def column(self, model: str | None, reason: str | None = None) -> dict[str, Any]:
        """The job's `route` column: the model that answers, why, and the other models."""
        others = [other for other in self.models if other != model]
        return {"model": model, "reason": reason or self.reason, "fallbacks": others}


def route_of(work: Work, intent: str | None) -> Route:
    """Return the route of a job whose message has this intent."""
    if work.options.model is not None:
        return Route((work.options.model,), PINNED)
    name = intent or FALLBACK_INTENT
    return Route(get_minds().route(work.mind, name, get_settings()), f"intent:{name}")
