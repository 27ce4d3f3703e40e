"""Lists, read a page at a time."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from app.http.storable_text import CLEAN

ID_MAX_CHARS = 40

IdText = Annotated[str, Field(max_length=ID_MAX_CHARS), CLEAN]


class PageQuery(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(20, ge=1, le=100, description="How many at most.")
    after: IdText | None = Field(
        None, description="The id after which the page begins. One that is not yours is a 422."
    )


class Identified(BaseModel):
    """Anything that has an id."""

    id: str


Item = TypeVar("Item", bound=Identified)


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    object: Literal["list"] = "list"
    data: list[Item] = Field(description="At most `limit` of them.")
    first_id: str | None = Field(description="The id of the first of `data`.")
    last_id: str | None = Field(description="The next page's `after`.")
    has_more: bool = Field(description="Whether there is a next page.")

    @classmethod
    def of(cls, found: list[Item], limit: int) -> "Page[Item]":
        """A page from what was found when one more than its limit was asked for."""
        data = found[:limit]
        return cls(
            data=data,
            first_id=data[0].id if data else None,
            last_id=data[-1].id if data else None,
            has_more=len(found) > limit,
        )
