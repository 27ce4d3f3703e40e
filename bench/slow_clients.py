"""Latency of a normal client beside 500 that send half a request, or read nothing."""

import asyncio
import sys
import time
from dataclasses import replace
from statistics import median

import httpx
import psutil

from bench.percentile import p99
from tests.chaos.profiles import SHORT
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
    with Stack(replace(SHORT, leases={}), WEB_STREAMS=str(2 * CLIENTS)) as stack:
        headers = {"Authorization": f"Bearer {stack.key}"}
        with httpx.Client(base_url=stack.web, headers=headers, timeout=60) as client:
            job = client.post("/v1/jobs", json={"message": "hello"}).json()["id"]
            _ask(client)  # connections, imports
            alone = _ask(client)
            beside = asyncio.run(_beside(stack, client, job))
    _print("alone", alone)
    _print(f"beside {CLIENTS} slow clients", beside)
    print(f"  ratio of the medians {median(beside) / median(alone):6.2f}")
    if p99(beside) > LIMIT_MS:
        sys.exit(f"the p99 is over {LIMIT_MS:.0f} ms")


async def _beside(stack: Stack, client: httpx.Client, job: str) -> list[float]:
    port = int(stack.web.rsplit(":", 1)[1])
    server = _listener(port)
    memory, threads = server.memory_info().rss, server.num_threads()
    writers = []
    for number in range(CLIENTS):
        sent = list(SLOW.values())[number % len(SLOW)]
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(sent.replace("{job}", job).replace("{key}", stack.key).encode())
        writers.append(writer)
    await asyncio.sleep(1)
    asked = await asyncio.to_thread(_ask, client)
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


def _ask(client: httpx.Client) -> list[float]:
    """The latency of each call, in milliseconds."""
    took = []
    for number in range(ASKED):
        began = time.perf_counter()
        path = "/healthz" if number % 2 else "/v1/jobs?limit=1"
        client.get(path).raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
    return took


def _print(what: str, ms: list[float]) -> None:
    print(f"{what}: {len(ms)} calls")
    print(f"  median               {median(ms):6.1f} ms")
    print(f"  p99                  {p99(ms):6.1f} ms")


if __name__ == "__main__":
    main()
