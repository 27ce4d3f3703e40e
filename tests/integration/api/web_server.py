"""A server as the Procfile starts it, in a process of its own."""

import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from ...forks import Fork, ForkServer

WAIT_S = 30


class WebServer:
    """Listens on a Unix socket in the folder, or at `BIND` (`127.0.0.1:PORT`)."""

    def __init__(
        self,
        forks: ForkServer,
        environ: Mapping[str, str],
        changed: Mapping[str, str],
        folder: Path,
    ) -> None:
        self.socket = folder / f"{len(list(folder.glob('*.sock')))}.sock"
        self._bind = changed.get("BIND", f"unix:{self.socket}")
        told = {**environ, **changed, "BIND": self._bind}
        self.process = forks.fork(["python", "-m", "app.server"], told, folder / "log")

    def client(self, headers: Mapping[str, str]) -> httpx.Client:
        """A client of it that sends these headers."""
        on_socket = self._bind.startswith("unix:")
        return httpx.Client(
            base_url="http://web" if on_socket else f"http://{self._bind}",
            headers=headers,
            timeout=20,
            transport=httpx.HTTPTransport(uds=str(self.socket) if on_socket else None),
        )

    def wait_until_up(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + WAIT_S
        with self.client({}) as client:
            while time.monotonic() < deadline and self.process.poll() is None:
                try:
                    client.get("/healthz")
                except httpx.TransportError:
                    time.sleep(0.05)
                else:
                    return
        raise AssertionError("the server did not start")


def end(processes: list[Fork]) -> None:
    """Ask these processes to end, which each must do."""
    for process in processes:
        process.terminate()
    assert [process.wait(WAIT_S) for process in processes] == [0] * len(processes)
