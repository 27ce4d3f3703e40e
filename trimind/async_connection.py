"""The connections of the asynchronous client, and how it sends calls."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, ParamSpec, Self, TypeVar

import httpx

from trimind.call import Call
from trimind.errors import TrimindClientError
from trimind.following import Following, Waiting
from trimind.objects import Event, Page
from trimind.patience import Patience
from trimind.replies import Body, Reply, translated
from trimind.transport import options, request_of, unusable

Result = TypeVar("Result")
Item = TypeVar("Item")
P = ParamSpec("P")


class AsyncConnection:
    """Sends calls, and waits for and follows what they have begun."""

    def __init__(self, url: str, key: str, *, timeout_s: float = 30.0, retries: int = 3) -> None:
        self._options = options(url, key, timeout_s)
        self._url = url
        self._timeout_s = timeout_s
        self._retries = retries
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def iterate(
        self, listed: Callable[P, Awaitable[Page[Item]]], *arguments: P.args, **filters: P.kwargs
    ) -> AsyncIterator[Item]:
        """All items of a list, page after page: `iterate(client.jobs, status="failed")`.

        An item may be deleted as soon as it is there.
        """
        page = await listed(*arguments, **filters)
        while page:
            *items, last = page
            for item in items:
                yield item
            following: Page[Item] | None = None
            if page.has_more:  # read before the last one, after which it begins, can be deleted
                more = {**filters, "after": page.last_id}
                following = await listed(*arguments, **more)  # type: ignore[arg-type]
            yield last
            if following is None:
                return
            page = following

    @property
    def _http(self) -> httpx.AsyncClient:
        """The connections of this process and event loop. Those of a loop that was closed, as by
        `asyncio.run`, can't be used or closed any more; a process that was forked must not share
        its parent's."""
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop or self._process != os.getpid():
            self._open()
            self._loop = loop
        return self._connections

    def _open(self) -> None:
        try:
            self._connections = httpx.AsyncClient(**self._options)
        except (ValueError, UnicodeError, httpx.InvalidURL):
            raise unusable(self._url) from None
        self._process = os.getpid()

    async def _send(self, call: Call[Result], patience: Patience | None = None) -> Result:
        patience = patience or Patience(self._retries if call.repeatable else 0)
        while True:
            try:
                return call.read(await self._exchange(call))
            except TrimindClientError as error:
                await asyncio.sleep(patience.pause_after(error))

    async def _exchange(self, call: Call[Any]) -> Reply:
        body, sent = Body(), request_of(call, self._timeout_s)
        http = self._http
        with translated(http.base_url):
            async with http.stream(**sent) as response:
                async for piece in response.aiter_raw():
                    body.add(piece)
        return body.reply(response)

    async def _wait(self, waiting: Waiting[Result]) -> Result:
        while True:
            found = await self._send(waiting.call(), waiting.patience)
            if found.ended:
                return found.thing
            await asyncio.sleep(waiting.pause_before_next(found))

    async def _follow(self, following: Following) -> AsyncIterator[Event]:
        while not following.ended:
            lost: TrimindClientError | None = None
            try:
                async for event in self._events(following):
                    yield event
            except TrimindClientError as error:
                lost = error
            if not following.ended:
                await asyncio.sleep(following.pause_after(lost))

    async def _events(self, following: Following) -> AsyncIterator[Event]:
        """The events of one connection."""
        sent = request_of(following.call(), self._timeout_s)
        http = self._http
        with translated(http.base_url):
            async with http.stream(**sent) as response:
                if not response.is_success:
                    await self._refuse(response)
                following.opened(response.status_code)
                async for piece in response.aiter_raw():
                    for event in following.read(piece):
                        yield event

    async def _refuse(self, response: httpx.Response) -> None:
        body = Body()
        async for piece in response.aiter_raw():
            body.add(piece)
        body.reply(response)
