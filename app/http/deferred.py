"""Answers that take time: a view gives back its thread, and goes on when there is something to say.

Our own server waits on its event loop. Any other one waits in the thread of the request.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Final, TypeVar

import structlog
from flask import Response, after_this_request, g, request

# What our server leaves in a request's environ, and finds there afterwards.
DEFERRABLE: Final = "trimind.deferrable"
CONTINUATION: Final = "trimind.continuation"
STREAM: Final = "trimind.stream"
AT_END: Final = "trimind.at_end"
# In the scope and the environ: tells whether the client has gone.
GONE: Final = "trimind.gone"

Wait = Callable[[], Awaitable[None]]
Continuation = Callable[[], Response]
AtEnd = Callable[[bool], None]
Result = TypeVar("Result")


class Deferred(BaseException):
    """Ends a view whose answer is not there yet. It is no failure, so that no `except Exception`
    on its way takes it for one.

    Args:
        wait: what the server waits for.
        then: makes the answer after that, in a new context of the same request.
    """

    def __init__(self, wait: Wait, then: Continuation) -> None:
        super().__init__()
        self.wait = wait
        self._then, self._resume = then, resumption()

    def then(self) -> Response:
        """The answer."""
        return self._resume(self._then)

    def failed(self, error: Exception) -> Continuation:
        """What answers instead where the wait has failed."""

        def fail() -> Response:
            raise error

        return lambda: self._resume(fail)


class LineStream:
    """The body of a response that stays open: lines, for as long as they come."""

    def __init__(self, lines: AsyncGenerator[str, None]) -> None:
        self._lines = lines
        self._log_context = structlog.contextvars.get_contextvars()

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """The lines, on an event loop; what they log names the request."""
        structlog.contextvars.bind_contextvars(**self._log_context)
        try:
            async for line in self._lines:
                yield line.encode()
        finally:
            await self._lines.aclose()

    def __iter__(self) -> Iterator[bytes]:
        """The lines, in the thread of a server that has no event loop."""
        with asyncio.Runner() as runner:
            lines = self.lines()
            try:
                while (line := runner.run(_next(lines))) is not None:
                    yield line
            finally:
                runner.run(lines.aclose())


def defer(wait: Wait, then: Continuation) -> Response:
    """Answer with `then` once `wait` is over. Raises Deferred where the server can wait without a
    thread, and whatever `wait` and `then` raise."""
    if request.environ.get(DEFERRABLE):
        raise Deferred(wait, then)
    with asyncio.Runner() as runner:
        runner.run(_run(wait))
    return then()


def resumption() -> Callable[[Callable[[], Result]], Result]:
    """What does a piece of work in a later context of this request: with what is known of it in
    `g`, and in the lines of the log."""
    known, bound = dict(_values()), structlog.contextvars.get_contextvars()

    def resume(work: Callable[[], Result]) -> Result:
        _values().update(known)
        structlog.contextvars.bind_contextvars(**bound)
        return work()

    return resume


def at_end(call: AtEnd) -> None:
    """Have something done once this request's answer was sent, or can't be: `call(sent)`."""
    calls: list[AtEnd] | None = request.environ.get(AT_END)
    if calls is not None:
        calls.append(call)
        return

    @after_this_request
    def _(response: Response) -> Response:
        response.call_on_close(lambda: call(True))
        return response


def until_sent(permit: AbstractContextManager[object]) -> None:
    """Enter a context that is left once this request's answer was sent, or can't be."""
    stack = ExitStack()
    stack.enter_context(permit)
    at_end(lambda _: stack.close())


def _values() -> dict[str, Any]:
    values: Any = g
    kept: dict[str, Any] = vars(values._get_current_object())
    return kept


async def _run(wait: Wait) -> None:
    await wait()


async def _next(lines: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(lines, None)
