"""Both clients of `trimind`, called alike, so that each test is of both."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from trimind import AsyncClient, Client

# `ask(url, key, method, *arguments, **options)`: the result of a method, or all events of a stream.
Ask = Callable[..., Any]


def ask_sync(url: str, key: str, method: str, /, *arguments: Any, **options: Any) -> Any:
    """Call a method of `Client`. `retries` is the client's own option."""
    retries = options.pop("retries", 3)
    with Client(url, key, retries=retries) as client:
        result = getattr(client, method)(*arguments, **options)
        return list(result) if isinstance(result, Iterator) else result


def ask_async(url: str, key: str, method: str, /, *arguments: Any, **options: Any) -> Any:
    """Call a method of `AsyncClient`."""
    retries = options.pop("retries", 3)

    async def call() -> Any:
        async with AsyncClient(url, key, retries=retries) as client:
            result = getattr(client, method)(*arguments, **options)
            if isinstance(result, AsyncIterator):
                return [event async for event in result]
            return await result

    return asyncio.run(call())


BOTH = {"sync": ask_sync, "async": ask_async}
