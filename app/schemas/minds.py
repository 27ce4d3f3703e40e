"""Response bodies of minds."""

from typing import Literal

from pydantic import ConfigDict, Field

from app.schemas.examples import MODEL
from app.schemas.lists import Identified, Page
from config.minds import Minds
from config.settings import Settings


class MindBody(Identified):
    """A named assistant."""

    id: str = Field(description="Its name in `mind` and `minds`.")
    object: Literal["mind"] = "mind"
    title: str = Field(description="Its name for people.")
    default: bool = Field(description="Whether it answers a job that names no mind.")
    routes: dict[str, list[str]] = Field(
        description="For each intent, the models that are tried, in order, of those for which this "
        "server has a key. `default` is for every other intent."
    )


class MindPage(Page[MindBody]):
    """All minds, in the order of the server's configuration."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "object": "list",
                "data": [
                    {
                        "id": "sage",
                        "object": "mind",
                        "title": "The Sage",
                        "default": True,
                        "routes": {"default": [MODEL]},
                    }
                ],
                "first_id": "sage",
                "last_id": "sage",
                "has_more": False,
                "models": [MODEL],
            }
        }
    )

    models: list[str] = Field(description="Every model that `model` may name.")


def mind_bodies(minds: Minds, settings: Settings) -> list[MindBody]:
    """Return the response bodies of all minds."""
    return [
        MindBody(
            id=name,
            title=mind.title,
            default=name == minds.default_mind,
            routes={intent: list(minds.route(name, intent, settings)) for intent in mind.routes},
        )
        for name, mind in minds.minds.items()
    ]
