"""`model`: a mind, a model of the routes, or `auto`."""

from dataclasses import dataclass
from typing import Final

from app.openai.errors import refused
from config.minds import Minds, usable_models
from config.settings import Settings

AUTO: Final = "auto"


@dataclass(frozen=True)
class Choice:
    """A mind (None: the previous response's, or the default) and, if pinned, its model."""

    mind: str | None = None
    model: str | None = None


def choose(name: str | None, minds: Minds, settings: Settings) -> Choice:
    """Resolve a name. Raises Refusal if it is unknown, or this server has no key for the model."""
    if name is None:
        return Choice()
    if name == AUTO:
        return Choice(mind=minds.default_mind)
    if name in minds.minds:
        return Choice(mind=name)
    models = usable_models(minds, settings)
    found = [model for model in models if name in (model, model.split("/", 1)[1])]
    if len(found) != 1:
        known = ", ".join([AUTO, *minds.minds, *models])
        raise refused("model", "model_not_found", f"No such model. Use one of: {known}.")
    return Choice(model=found[0])
