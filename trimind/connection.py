"""The connections of the client, and how it sends calls."""

import os
import time
from collections.abc import Callable, Iterator
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


class Connection:
    """Sends calls, and waits for and follows what they have begun."""

    def __init__(self, url: str, key: str, *, timeout_s: float = 30.0, retries: int = 3) -> None:
        self._options = options(url, key, timeout_s)
        self._url = url
        self._timeout_s = timeout_s
        self._retries = retries
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def iterate(
        self, listed: Callable[P, Page[Item]], *arguments: P.args, **filters: P.kwargs
    ) -> Iterator[Item]:
        """All items of a list, page after page: `iterate(client.jobs, status="failed")`.

        An item may be deleted as soon as it is there.
        """
        page = listed(*arguments, **filters)
        while page:
            *items, last = page
            yield from items
            following: Page[Item] | None = None
            if page.has_more:  # read before the last one, after which it begins, can be deleted
                more = {**filters, "after": page.last_id}
                following = listed(*arguments, **more)  # type: ignore[arg-type]
            yield last
            if following is None:
                return
            page = following

    @property
    def _http(self) -> httpx.Client:
        """The connections of this process: one that was forked must not share its parent's."""
        if self._process != os.getpid():
            self._open()
        return self._connections

    def _open(self) -> None:
        try:
            self._connections = httpx.Client(**self._options)
        except (ValueError, UnicodeError, httpx.InvalidURL):
            raise unusable(self._url) from None
        self._process = os.getpid()

    def _send(self, call: Call[Result], patience: Patience | None = None) -> Result:
        patience = patience or Patience(self._retries if call.repeatable else 0)
        while True:
            try:
                return call.read(self._exchange(call))
            except TrimindClientError as error:
                time.sleep(patience.pause_after(error))

    def _exchange(self, call: Call[Any]) -> Reply:
        body, sent = Body(), request_of(call, self._timeout_s)
        http = self._http
        with translated(http.base_url), http.stream(**sent) as response:
            for piece in response.iter_raw():
                body.add(piece)
        return body.reply(response)

    def _wait(self, waiting: Waiting[Result]) -> Result:
        while True:
            found = self._send(waiting.call(), waiting.patience)
            if found.ended:
                return found.thing
            time.sleep(waiting.pause_before_next(found))

    def _follow(self, following: Following) -> Iterator[Event]:
        while not following.ended:
            lost: TrimindClientError | None = None
            try:
                yield from self._events(following)
            except TrimindClientError as error:
                lost = error
            if not following.ended:
                time.sleep(following.pause_after(lost))

    def _events(self, following: Following) -> Iterator[Event]:
        """The events of one connection."""
        sent = request_of(following.call(), self._timeout_s)
        http = self._http
        with translated(http.base_url), http.stream(**sent) as response:
            if not response.is_success:
                self._refuse(response)
            following.opened(response.status_code)
            for piece in response.iter_raw():
                yield from following.read(piece)

    def _refuse(self, response: httpx.Response) -> None:
        body = Body()
        for piece in response.iter_raw():
            body.add(piece)
        body.reply(response)
