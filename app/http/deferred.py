"""Responses that take time: the view releases its thread, and continues after the wait.

Our server waits on its event loop; any other server waits in the request's thread.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Final, TypeVar

import structlog
from flask import Response, after_this_request, g, request

from tasks.tracing.spans import current_span, set_current_span

# Keys of the environ that our server sets, or reads after the view.
DEFERRABLE: Final = "trimind.deferrable"
CONTINUATION: Final = "trimind.continuation"
STREAM: Final = "trimind.stream"
AT_END: Final = "trimind.at_end"
# The permits to leave then; unlike those calls, that takes no time.
PERMITS: Final = "trimind.permits"
AFTER_VIEW: Final = "trimind.after_view"
# In the scope and the environ: returns whether the client has disconnected.
GONE: Final = "trimind.gone"

Wait = Callable[[], Awaitable[None]]
Continuation = Callable[[], Response]
AtEnd = Callable[[bool], None]
Result = TypeVar("Result")


class Deferred(BaseException):
    """Ends a view that has to wait. Not an Exception: no `except Exception` must catch it.

    Args:
        wait: what the server waits for.
        then: returns the response after that, in a new context of the same request.
    """

    def __init__(self, wait: Wait, then: Continuation) -> None:
        super().__init__()
        self.wait = wait
        self._then, self._resume = then, resumption()

    def then(self) -> Response:
        """Return the response."""
        return self._resume(self._then)

    def failed(self, error: Exception) -> Continuation:
        """Return the continuation for a failed wait: it raises the error."""

        def fail() -> Response:
            raise error

        return lambda: self._resume(fail)


class LineStream:
    """The body of a stream: lines, as they come."""

    def __init__(self, lines: AsyncGenerator[str, None]) -> None:
        self._lines = lines
        self._log_context = structlog.contextvars.get_contextvars()

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield the lines on an event loop, with the request's log context."""
        structlog.contextvars.bind_contextvars(**self._log_context)
        try:
            async for line in self._lines:
                yield line.encode()
        finally:
            await self._lines.aclose()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines in the thread of a server without an event loop."""
        with asyncio.Runner() as runner:
            lines = self.lines()
            try:
                while (line := runner.run(_next(lines))) is not None:
                    yield line
            finally:
                runner.run(lines.aclose())


def defer(wait: Wait, then: Continuation) -> Response:
    """Return the response of `then` after `wait`. Raises Deferred if the server can wait without a
    thread, and whatever `wait` and `then` raise."""
    if request.environ.get(DEFERRABLE):
        raise Deferred(wait, then)
    with asyncio.Runner() as runner:
        runner.run(_run(wait))
    return then()


def resumption() -> Callable[[Callable[[], Result]], Result]:
    """Return a function that runs work in a later context of this request, with its `g`, its log
    context and its span."""
    known, bound = dict(_values()), structlog.contextvars.get_contextvars()
    span = current_span()

    def resume(work: Callable[[], Result]) -> Result:
        _values().update(known)
        structlog.contextvars.bind_contextvars(**bound)
        set_current_span(span)
        return work()

    return resume


def after_view(call: Callable[[], None]) -> None:
    """Call `call` in this thread once the server has the response, with the log context of this
    request; at once if the server is not ours."""
    calls: list[Callable[[], None]] | None = request.environ.get(AFTER_VIEW)
    if calls is None:
        call()
        return
    bound = structlog.contextvars.get_contextvars()

    def call_with_context() -> None:
        with structlog.contextvars.bound_contextvars(**bound):
            call()

    calls.append(call_with_context)


def at_end(call: AtEnd) -> None:
    """Call `call(sent)` once the response to this request was sent, or can't be."""
    calls: list[AtEnd] | None = request.environ.get(AT_END)
    if calls is not None:
        calls.append(call)
        return

    @after_this_request
    def _(response: Response) -> Response:
        response.call_on_close(lambda: call(True))
        return response


def until_sent(permit: AbstractContextManager[object]) -> None:
    """Enter a context, and leave it once the response to this request was sent, or can't be: on our
    server's event loop, so leaving must not take time."""
    permits: ExitStack | None = request.environ.get(PERMITS)
    if permits is not None:
        permits.enter_context(permit)
        return
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
