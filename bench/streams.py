"""Time until the first piece of an answer reaches a client, with 200 streams on one web process.

The provider writes down when it sends the first piece of each answer; each client, when it has it.
The baseline are clients that read the same answers from the provider itself, in the same run.
"""

import asyncio
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

from bench.figures import fail_above, group, latencies, p99, ratio
from bench.stack import client, new_job, running_workers, stack
from tests.chaos.stack import Stack

STREAMS = 200
A_SECOND = 10  # answers begun
SPEED = {"latency_s": [4.0, 4.0], "words": 30}  # a piece every second
DELTA = re.compile(rb'"type":"job.delta"')
PIECE = re.compile(rb'"content": "This')
LIMIT_MS = 100.0
EVERY_S = 0.1

Read = Callable[[Stack, str], Coroutine[None, None, float]]


def main() -> None:
    """Measure, print, clean up."""
    streams = {"WEB_STREAMS": str(STREAMS * 2)}
    with (
        stack(workers=2, threads=STREAMS // 2 + 5, **streams) as trimind,
        running_workers(trimind),
    ):
        trimind.set_faults(**SPEED)
        asyncio.run(_streams(trimind, 20, _through_trimind))  # connections, imports
        direct = asyncio.run(_streams(trimind, STREAMS, _directly))
        with _asking(trimind) as meanwhile:
            through = asyncio.run(_streams(trimind, STREAMS, _through_trimind))
    for what, ms in (("from the provider itself", direct), ("through Trimind", through)):
        group(f"{what}: {len(ms)} streams")
        latencies(ms, "first piece, ")
    ratio("of the p99", p99(through), p99(direct))
    group(f"a list of jobs, asked for meanwhile: {len(meanwhile)} times")
    latencies(meanwhile)
    fail_above(LIMIT_MS, "the p99", p99(through))


@contextmanager
def _asking(trimind: Stack) -> Iterator[list[float]]:
    """Make another call repeatedly in the meantime; yields each latency, in milliseconds."""
    took: list[float] = []
    over = threading.Event()

    def ask() -> None:
        with client(trimind) as web:
            while not over.wait(EVERY_S):
                answer = web.get("/v1/jobs").raise_for_status()
                took.append(answer.elapsed.total_seconds() * 1000)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield took
    finally:
        over.set()
        asker.join()


async def _streams(trimind: Stack, count: int, read: Read) -> list[float]:
    """Milliseconds from the provider's first piece to the client's, of each stream."""
    marks = [secrets.token_hex(8) for _ in range(count)]
    readers = []
    for mark in marks:
        readers.append(asyncio.create_task(read(trimind, mark)))
        await asyncio.sleep(1 / A_SECOND)
    heard = dict(zip(marks, await asyncio.gather(*readers), strict=True))
    spoken = {call["mark"]: call["spoke_at"] for call in trimind.calls() if call["mark"] in heard}
    return [(heard[mark] - spoken[mark]) * 1000 for mark in marks]


async def _through_trimind(trimind: Stack, mark: str) -> float:
    web, key = trimind.web, trimind.key
    accepted = await _call(web, "POST", "/v1/jobs", key, new_job(mark))
    job_id = json.loads(accepted.partition(b"\r\n\r\n")[2])["id"]
    return await _first(web, "GET", f"/v1/jobs/{job_id}/events", key, None, DELTA)


async def _directly(trimind: Stack, mark: str) -> float:
    body = {"messages": [{"role": "user", "content": f"[#{mark}]"}], "stream": True}
    return await _first(trimind.provider, "POST", "/v1/chat/completions", "any", body, PIECE)


async def _call(url: str, method: str, path: str, key: str, body: object) -> bytes:
    reader, writer = await _ask(url, method, path, key, body, "close")
    answer = await reader.read()
    writer.close()
    return answer


async def _first(
    url: str, method: str, path: str, key: str, body: object, what: re.Pattern[bytes]
) -> float:
    """When the pattern was first read; reads the stream to its end."""
    reader, writer = await _ask(url, method, path, key, body, "keep-alive")
    at, end = 0.0, b""
    while not end.endswith(b"0\r\n\r\n"):
        read = await reader.read(65536)
        if not at and what.search(end + read):
            at = time.time()
        if not read:
            break
        end = (end + read)[-200:]
    writer.close()
    return at


async def _ask(
    url: str, method: str, path: str, key: str, body: object, connection: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    sent = json.dumps(body).encode() if body is not None else b""
    head = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {key}",
        f"Connection: {connection}",
        "Content-Type: application/json",
        f"Content-Length: {len(sent)}",
    ]
    writer.write("\r\n".join([*head, "", ""]).encode() + sent)
    await writer.drain()
    return reader, writer


if __name__ == "__main__":
    main()
