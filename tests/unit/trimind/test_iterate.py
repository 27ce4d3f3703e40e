"""All items of a list, page after page."""

import asyncio
from typing import Any

import pytest

from trimind import AsyncClient, Client

from .conftest import Answer, Script, shown

KEY = "tm_secret"


def listed(*ids: str, more: bool) -> Answer:
    data = [{"id": each} for each in ids]
    return shown({"data": data, "has_more": more, "last_id": ids[-1] if ids else None})


def iterate(kind: type, server: Script, method: str, *arguments: Any, **filters: Any) -> list[str]:
    """The ids, and the number of requests at that moment."""
    if kind is Client:
        with Client(server.url, KEY) as client:
            found = client.iterate(getattr(client, method), *arguments, **filters)
            return [f"{item['id']} {len(server.requests)}" for item in found]

    async def run() -> list[str]:
        async with AsyncClient(server.url, KEY) as client:
            found = client.iterate(getattr(client, method), *arguments, **filters)
            return [f"{item['id']} {len(server.requests)}" async for item in found]

    return asyncio.run(run())


@pytest.fixture(params=[Client, AsyncClient])
def kind(request: pytest.FixtureRequest) -> type:
    made: type = request.param
    return made


def test_pages_are_read_as_they_are_needed(kind: type, server: Script) -> None:
    """The next one before the last item of a page, which may be deleted once it is there."""
    server.say(listed("a", "b", "c", more=True), listed("d", "e", more=False))
    found = iterate(kind, server, "jobs", status="failed", limit=3)
    assert found == ["a 1", "b 1", "c 2", "d 2", "e 2"]
    assert [request.line for request in server.requests] == [
        "GET /v1/jobs?status=failed&limit=3",
        "GET /v1/jobs?status=failed&limit=3&after=c",
    ]


def test_a_list_of_something_is_iterated_too(kind: type, server: Script) -> None:
    server.say(listed("a", more=True), listed("b", more=False))
    assert iterate(kind, server, "messages", "conv_1", order="desc") == ["a 2", "b 2"]
    assert server.requests[1].line == "GET /v1/conversations/conv_1/messages?order=desc&after=a"


@pytest.mark.parametrize("more", [True, False])
def test_an_empty_page_is_the_last(kind: type, server: Script, more: bool) -> None:
    server.say(listed(more=more))
    assert iterate(kind, server, "webhooks") == []
    assert len(server.requests) == 1
