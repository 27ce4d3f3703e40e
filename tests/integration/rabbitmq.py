"""A real RabbitMQ, from Debian's packages, without root."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

from deploy.embedded.ports import free_port
from tests.conftest import wait_until
from tests.integration.debian import unpacked

ERLANG = (
    *("asn1", "base", "crypto", "eldap", "ftp", "inets", "mnesia", "os-mon", "parsetools"),
    *("public-key", "runtime-tools", "snmp", "ssl", "syntax-tools", "tftp", "tools", "xmerl"),
)
PACKAGES = ("rabbitmq-server", *(f"erlang-{name}" for name in ERLANG))
START_WITHIN_S = 60
# What it looks through for plugins: all modules of these applications.
LOOKED_THROUGH = ("rabbit", "rabbit_common", "rabbitmq_prelaunch", "ra", "osiris")
MODULES = re.compile(r"\{\s*modules,\s*\[[^\]]*\]\s*\}")


class Broker:
    """A test's own broker on a loopback port; user and password are `guest`. A context manager."""

    def __init__(self) -> None:
        self._files = unpacked("rabbitmq-lean", PACKAGES, _prepare)
        self._folder = Path(tempfile.mkdtemp(prefix="trimind-rabbitmq-", dir="/tmp"))
        self.port, self._names, self._node = free_port(), free_port(), free_port()
        listen = f"listeners.tcp.local = 127.0.0.1:{self.port}\n"
        (self._folder / "rabbitmq.conf").write_text(listen)
        (self._folder / "plugins").write_text("[].\n")
        self._running = ExitStack()

    def __enter__(self) -> "Broker":
        with ExitStack() as exits:
            exits.callback(shutil.rmtree, self._folder)
            self._start_name_server(exits)
            exits.callback(self._stop)
            self._start()
            self._running = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def restart(self) -> None:
        """Stop it, and start it with what it has stored."""
        self._stop()
        self._start()

    def _start_name_server(self, exits: ExitStack) -> None:
        command = [f"{self._files}/usr/lib/erlang/bin/epmd", "-address", "127.0.0.1"]
        server = subprocess.Popen([*command, "-port", str(self._names)], env=self._environment())
        exits.callback(server.wait, 10)
        exits.callback(server.terminate)

    def _start(self) -> None:
        environment = self._environment()
        with (self._folder / "out").open("ab") as out:
            self._broker = subprocess.Popen(
                ["sh", f"{environment['RABBITMQ_HOME']}/sbin/rabbitmq-server"],
                env=environment,
                cwd=self._folder,  # of a dump, if it is killed
                stdout=out,
                stderr=out,
            )
        wait_until(lambda: _listens(self.port), START_WITHIN_S)

    def _stop(self) -> None:
        self._broker.terminate()
        self._broker.wait(30)

    def _environment(self) -> dict[str, str]:
        [home] = (self._files / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*")
        return {
            "PATH": f"{self._files}/usr/lib/erlang/bin:{os.environ['PATH']}",
            "HOME": str(self._folder),  # of the cookie
            "ERL_EPMD_PORT": str(self._names),
            "RABBITMQ_HOME": str(home),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": f"{self._folder}/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self._folder}/plugins",
            "RABBITMQ_MNESIA_BASE": f"{self._folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{self._folder}/log",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_NODENAME": f"trimind{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._node),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }


def _prepare(files: Path, cache: Path) -> None:
    """Replace the package's folder, which is hard-coded in the start script, and let RabbitMQ look
    for its own boot steps and feature flags only where there are any.

    It would load all modules of Erlang's compiler, TLS, XML and so on for it: 3 of its 5 s of CPU.
    A module is found without being listed.
    """
    script = files / "usr/lib/erlang/bin/erl"
    script.write_text(script.read_text().replace("=/usr/lib/erlang", f"={cache}/usr/lib/erlang"))
    for application in (files / "usr/lib").glob("**/ebin/*.app"):
        if application.stem not in LOOKED_THROUGH:
            application.write_text(MODULES.sub("{modules, []}", application.read_text()))


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
