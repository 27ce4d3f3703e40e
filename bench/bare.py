"""The smallest application that `bench.servers` can call: a body, and a stream of events."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Iterator

from flask import Flask, Response, request
from uvicorn import Config

from app.http.deferred import DEFERRABLE, STREAM, LineStream
from app.server.bridge import Bridge
from app.server.loop import Loop
from config.settings import settings_or_exit

EVERY_S = 0.1
EVENT = (
    'id: 12\nevent: job.delta\ndata: {"type":"job.delta","sequence_number":12,"text":"Paris"}\n\n'
)

wsgi = Flask("bare")


@wsgi.get("/")
def body() -> dict[str, str]:
    return {"status": "ok"}


@wsgi.get("/events")
def events() -> Response:
    """This many events, one every tenth of a second."""
    count = int(request.args["count"])
    if not request.environ.get(DEFERRABLE):
        return Response(_in_a_thread(count), mimetype="text/event-stream")
    stream = request.environ[STREAM] = LineStream(_on_the_loop(count))
    return Response(stream, mimetype="text/event-stream")


def _in_a_thread(count: int) -> Iterator[str]:
    yield EVENT
    for _ in range(count - 1):
        time.sleep(EVERY_S)
        yield EVENT


async def _on_the_loop(count: int) -> AsyncGenerator[str, None]:
    yield EVENT
    for _ in range(count - 1):
        await asyncio.sleep(EVERY_S)
        yield EVENT


def main() -> None:
    """Serve it as Trimind is served."""
    bridge = Bridge(wsgi, settings_or_exit())
    Loop(
        Config(
            bridge,
            port=int(sys.argv[1]),
            http="app.server.protocol:Protocol",
            loop="uvloop",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
        )
    ).run()


if __name__ == "__main__":
    main()
