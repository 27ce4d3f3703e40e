"""Latency of a normal client beside 500 that send half a request, or read nothing."""

import asyncio
import time
from statistics import median

import httpx
import psutil

from bench.figures import fail_above, group, latencies, p99, ratio
from bench.stack import client, new_job, stack
from tests.chaos.stack import Stack

CLIENTS = 500
ASKED = 200
LIMIT_MS = 100.0
SLOW = {
    "half headers": "GET /healthz HTTP/1.1\r\nHost: web\r\nX-Slow: ",
    "half bodies": "POST /v1/jobs HTTP/1.1\r\nHost: web\r\nContent-Length: 99\r\n\r\n{",
    "refused bodies": "POST /v1/jobs HTTP/1.1\r\nHost: web\r\nContent-Length: 70000\r\n\r\n"
    + "f" * 70_000,
    "Connection: close": "GET /healthz HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n",
    "streams": "GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: web\r\n"
    "Authorization: Bearer {key}\r\n\r\n",
}


def main() -> None:
    """Measure, print, clean up."""
    with stack(WEB_STREAMS=str(2 * CLIENTS)) as trimind, client(trimind) as web:
        job = web.post("/v1/jobs", json=new_job()).json()["id"]
        _ask(web)  # connections, imports
        alone = _ask(web)
        beside = asyncio.run(_beside(trimind, web, job))
    for what, ms in (("alone", alone), (f"beside {CLIENTS} slow clients", beside)):
        group(f"{what}: {len(ms)} calls")
        latencies(ms)
    ratio("of the medians", median(beside), median(alone))
    fail_above(LIMIT_MS, "the p99", p99(beside))


async def _beside(trimind: Stack, web: httpx.Client, job: str) -> list[float]:
    port = int(trimind.web.rsplit(":", 1)[1])
    server = _listener(port)
    memory, threads = server.memory_info().rss, server.num_threads()
    writers = []
    for number in range(CLIENTS):
        sent = list(SLOW.values())[number % len(SLOW)]
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(sent.replace("{job}", job).replace("{key}", trimind.key).encode())
        writers.append(writer)
    await asyncio.sleep(1)
    asked = await asyncio.to_thread(_ask, web)
    more = (server.memory_info().rss - memory) / CLIENTS / 1e3
    print(
        f"{CLIENTS} slow clients: {more:.0f} kB each, {server.num_threads() - threads} threads more"
    )
    for writer in writers:
        writer.transport.abort()
    return asked


def _listener(port: int) -> psutil.Process:
    for process in psutil.process_iter():
        try:
            found = process.net_connections("tcp")
        except psutil.Error:
            continue
        if any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in found):
            return process
    raise LookupError(f"no process listens at port {port}")


def _ask(web: httpx.Client) -> list[float]:
    """The latency of each call, in milliseconds."""
    took = []
    for number in range(ASKED):
        began = time.perf_counter()
        path = "/healthz" if number % 2 else "/v1/jobs?limit=1"
        web.get(path).raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
    return took


if __name__ == "__main__":
    main()
