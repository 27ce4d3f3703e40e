"""A call as a value: what is sent, and how its answer is read."""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar, cast

from trimind.errors import TrimindClientError, UnexpectedAnswer
from trimind.objects import Page
from trimind.replies import Reply

Result = TypeVar("Result")

ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Call(Generic[Result]):
    """A request, and how its response is read.

    `wait_s`: how much longer than usual the response may take; `timeout_s` replaces what is usual.
    `repeatable`: whether it may be sent again if its response was lost.
    """

    method: str
    path: str
    read: Callable[[Reply], Result]
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    timeout_s: float | None = None
    repeatable: bool = True


def creating(path: str, kind: type[Result], options: Mapping[str, Any]) -> Call[Result]:
    """A call that creates something, once, however often it is sent."""
    body = without_none(options)
    key = body.pop("idempotency_key", None) or uuid.uuid4().hex
    return Call("POST", path, reader(kind), body=body, headers={"Idempotency-Key": key})


def listing(path: str, filters: Mapping[str, Any]) -> Call[Page[Any]]:
    """A call that reads a page."""
    query = {name: str(value) for name, value in without_none(filters).items()}
    return Call("GET", path, page_of, query=query)


def deleting(path: str) -> Call[None]:
    """A call that deletes something."""
    return Call("DELETE", path, lambda _: None)


def page_of(reply: Reply) -> Page[Any]:
    """The page in a response."""
    found = reply.json()
    if not isinstance(found.get("data"), list):
        raise UnexpectedAnswer("The answer is no list: is this address Trimind's?")
    has_more = bool(found.get("has_more"))
    return Page(found["data"], has_more=has_more, last_id=found.get("last_id"))


def reader(kind: type[Result]) -> Callable[[Reply], Result]:
    """What reads something with an id, of this type."""

    def read(reply: Reply) -> Result:
        found = reply.json()
        if not isinstance(found.get("id"), str):
            raise UnexpectedAnswer("The answer has no id: is this address Trimind's?")
        return cast(Result, found)

    return read


def path_to(collection: str, *parts: str) -> str:
    """The path of something with an id, and of what belongs to it."""
    return "/".join((collection, *map(checked, parts)))


def checked(part: str) -> str:
    """An id, if it is one: another path must not be called by it."""
    if not ID.fullmatch(part):
        raise TrimindClientError(f"{part[:80]!r} is no id.")
    return part


def without_none(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}
