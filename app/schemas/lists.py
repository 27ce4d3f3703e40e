"""Paginated lists."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from app.http.storable_text import CLEAN

ID_MAX_CHARS = 40

IdText = Annotated[str, Field(max_length=ID_MAX_CHARS), CLEAN]


class PageQuery(BaseModel):
    """Pagination parameters."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(20, ge=1, le=100, description="The maximum number of items to return.")
    after: IdText | None = Field(
        None,
        description="Return the items after this id: the previous page's `last_id`. An id that is "
        "not yours is refused with 422.",
    )


class Identified(BaseModel):
    """A resource with an id."""

    id: str


Item = TypeVar("Item", bound=Identified)


class Page(BaseModel, Generic[Item]):
    """A page of a list."""

    object: Literal["list"] = "list"
    data: list[Item] = Field(description="Up to `limit` items.")
    first_id: str | None = Field(description="The id of the first item.")
    last_id: str | None = Field(description="The id of the last item: the next page's `after`.")
    has_more: bool = Field(description="Whether more items follow.")

    @classmethod
    def of(cls, found: list[Item], limit: int) -> "Page[Item]":
        """Make a page from a query for one item more than the limit."""
        data = found[:limit]
        return cls(
            data=data,
            first_id=data[0].id if data else None,
            last_id=data[-1].id if data else None,
            has_more=len(found) > limit,
        )
