"""A Redis primary with TLS, its replica and three sentinels, from Debian's package, without root:
the embedded Valkey has no TLS."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from deploy.embedded.ports import free_port
from tests.conftest import wait_until
from tests.integration.certificates import certify
from tests.integration.debian import unpacked

PACKAGES = ("redis-tools", "libjemalloc2", "liblzf1")
LIBRARIES = "usr/lib/x86_64-linux-gnu"
NAME = "the-primary"
PASSWORD, OF_SENTINELS = "of-servers", "of-sentinels"
PRIMARY, REPLICA = 0, 1


class Redises:
    """The servers, all with TLS and a password. A context manager."""

    def __init__(self) -> None:
        self._files = unpacked("redis", PACKAGES)
        self._folder = Path(tempfile.mkdtemp(prefix="trimind-redis-", dir="/tmp"))
        self.authority = self._folder / "ca.pem"
        certify(self._folder)
        self._servers, self._sentinels = (free_port(), free_port()), [free_port() for _ in range(3)]
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Redises":
        with ExitStack() as exits:
            exits.callback(self._end)
            for number, port in enumerate(self._servers):
                self._start(port, "redis-server", self._of_server(number))
            wait_until(lambda: self._replicas() == 1, 20)
            for port in self._sentinels:
                self._start(port, "redis-sentinel", self._of_sentinel())
            wait_until(lambda: all(map(self._knows_the_others, self._sentinels)), 20)
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def _end(self) -> None:
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait(10)
        shutil.rmtree(self._folder)

    @property
    def url(self) -> str:
        """That of the settings; a sentinel that does not answer is the first."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in (free_port(), *self._sentinels))
        return f"rediss+sentinel://:{PASSWORD}@{hosts}/{NAME}/0"

    def url_of(self, number: int) -> str:
        """The URL of `PRIMARY` or `REPLICA` itself, as they were at the start."""
        return f"rediss://:{PASSWORD}@127.0.0.1:{self._servers[number]}/0"

    def kill_primary(self) -> None:
        """Kill it; the sentinels promote the replica in about two seconds."""
        self._running[self._servers[PRIMARY]].kill()

    def restart_primary(self) -> None:
        """Start the one that was killed: it takes itself for the primary, until the sentinels make
        it a replica, about ten seconds later."""
        self._start(self._servers[PRIMARY], "redis-server", self._of_server(PRIMARY))

    def freeze_primary(self) -> None:
        """Stop its process: whoever is connected to it hears nothing, not even of an end."""
        self._running[self._servers[PRIMARY]].send_signal(signal.SIGSTOP)

    def thaw_primary(self) -> None:
        """Let it go on, as the primary that it was."""
        self._running[self._servers[PRIMARY]].send_signal(signal.SIGCONT)

    def role(self, number: int) -> str:
        """What it takes itself for: `master` or `slave`; empty if it doesn't answer."""
        try:
            return str(self.asked(number).info("replication")["role"])
        except RedisError:
            return ""

    def asked(self, number: int) -> Redis:
        """A client of `PRIMARY` or `REPLICA`."""
        return self._client(self._servers[number], PASSWORD)

    def _client(self, port: int, password: str) -> Redis:
        return Redis(
            "127.0.0.1", port, password=password, ssl=True, ssl_ca_certs=str(self.authority),
            socket_timeout=2, decode_responses=True,
        )  # fmt: skip

    def _replicas(self) -> int:
        try:
            return int(self.asked(PRIMARY).info("replication")["connected_slaves"])
        except RedisError:
            return 0

    def _knows_the_others(self, port: int) -> bool:
        try:
            [state] = self._client(port, OF_SENTINELS).sentinel_masters().values()
        except RedisError:
            return False
        return (state["num-other-sentinels"], state["num-slaves"]) == (2, 1)

    def _start(self, port: int, program: str, settings: Sequence[str]) -> None:
        common = (
            "bind 127.0.0.1", "port 0", f"tls-port {port}", f"dir {self._folder}",
            f"tls-cert-file {self._folder}/server.pem", f"tls-key-file {self._folder}/server.key",
            f"tls-ca-cert-file {self.authority}", "tls-auth-clients no", "tls-replication yes",
            "loglevel warning",
        )  # fmt: skip
        file = self._folder / f"{port}.conf"
        file.write_text("\n".join([*common, *settings, ""]))
        # One binary, that goes by the name it is called by.
        self._running[port] = subprocess.Popen(
            [program, str(file)],
            executable=self._files / "usr/bin/redis-check-rdb",
            env=os.environ | {"LD_LIBRARY_PATH": str(self._files / LIBRARIES)},
            stdout=subprocess.DEVNULL,
        )

    def _of_server(self, number: int) -> list[str]:
        file = f"appendfilename {number}.aof"
        settings = [f"requirepass {PASSWORD}", f"masterauth {PASSWORD}", 'save ""', file]
        if number == REPLICA:
            settings.append(f"replicaof 127.0.0.1 {self._servers[PRIMARY]}")
        return settings

    def _of_sentinel(self) -> list[str]:
        return [
            f"sentinel monitor {NAME} 127.0.0.1 {self._servers[PRIMARY]} 2",
            f"sentinel auth-pass {NAME} {PASSWORD}",
            f"sentinel down-after-milliseconds {NAME} 1000",
            f"sentinel failover-timeout {NAME} 6000",
            f"requirepass {OF_SENTINELS}",
            f"sentinel sentinel-pass {OF_SENTINELS}",
        ]
