"""The cost of web servers, ours among them: CPU per request and event, memory per stream.

Those that are not installed are left out: `pip install gunicorn waitress granian`.
"""

import asyncio
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

from bench.processes import rss, spent_s
from deploy.embedded.ports import free_port

REQUESTS = 3000
CONNECTIONS = 8
STREAMS = 150
EVENTS = 40
THREADS = 200
# Enough for the application to start; nothing of it is connected to.
ENVIRON = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SHARED_SECRET": "s" * 32,
    "EMBEDDED_MODEL_URL": "http://127.0.0.1:9",
}
SERVERS = {
    "Trimind": ["-m", "bench.bare", "PORT"],
    "gunicorn": [
        *("-m", "gunicorn", "--worker-class", "gthread", "--threads", str(THREADS)),
        *("--bind", "127.0.0.1:PORT", "bench.bare:wsgi"),
    ],
    "waitress": [
        *("-m", "waitress", "--threads", str(THREADS), "--connection-limit", "4000"),
        *("--asyncore-use-poll", "--listen", "127.0.0.1:PORT", "bench.bare:wsgi"),
    ],
    "granian": [
        *("-m", "granian", "--interface", "wsgi", "--blocking-threads", str(THREADS)),
        *("--port", "PORT", "bench.bare:wsgi"),
    ],
}

Figures = dict[str, float]


def main() -> None:
    """Measure each server in turn and print a table."""
    print(f"| {'server':9} | us a request | us an event | kB a stream | MB idle |")
    print("| --- | --- | --- | --- | --- |")
    for name, command in SERVERS.items():
        if name != "Trimind" and importlib.util.find_spec(name.lower()) is None:
            print(f"| {name:9} | not installed |")
            continue
        found = _measure(command)
        print(
            "| {:9} | {request:.0f} | {event:.0f} | {stream:.0f} | {idle:.0f} |".format(
                name, **found
            )
        )


def _measure(command: list[str]) -> Figures:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, *(part.replace("PORT", str(port)) for part in command)],
        env=os.environ | ENVIRON,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        asyncio.run(_until_up(port))
        asyncio.run(_requests(port, 500))  # imports
        idle = rss(process.pid)
        request = _cpu_of(process.pid, lambda: _requests(port, REQUESTS)) / REQUESTS
        with_streams: list[float] = []
        events = _cpu_of(process.pid, lambda: _streams(port, process.pid, with_streams))
        return {
            "request": request * 1e6,
            "event": events / (STREAMS * EVENTS) * 1e6,
            "stream": (max(with_streams) - idle) / STREAMS / 1e3,
            "idle": idle / 1e6,
        }
    finally:
        process.terminate()
        process.wait(30)


def _cpu_of(pid: int, work: Callable[[], Coroutine[Any, Any, None]]) -> float:
    before = spent_s([pid])
    asyncio.run(work())
    return spent_s([pid]) - before


async def _until_up(port: int) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return


async def _requests(port: int, count: int) -> None:
    await asyncio.gather(*(_ask(port, count // CONNECTIONS) for _ in range(CONNECTIONS)))


async def _ask(port: int, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        writer.write(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
        await reader.readuntil(b"}\n")
    writer.close()


async def _streams(port: int, pid: int, memory: list[float]) -> None:
    async def watch() -> None:
        while True:
            await asyncio.sleep(0.5)
            memory.append(rss(pid))

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(_follow(port) for _ in range(STREAMS)))
    watching.cancel()


async def _follow(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /events?count={EVENTS} HTTP/1.1\r\nHost: web\r\n\r\n".encode())
    for _ in range(EVENTS):
        await reader.readuntil(b'"Paris"}\n\n')
    writer.close()


if __name__ == "__main__":
    main()
