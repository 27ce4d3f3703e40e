"""A real RabbitMQ, from Debian's packages, without root."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def running() -> Iterator[int]:
    """The loopback port of this test's own broker; user and password are `guest`."""
    files = unpacked("rabbitmq", PACKAGES, _let_erlang_be_anywhere)
    [home] = (files / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*")
    folder = Path(tempfile.mkdtemp(prefix="trimind-rabbitmq-", dir="/tmp"))
    port, names, node = free_port(), free_port(), free_port()
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp.local = 127.0.0.1:{port}\n")
    (folder / "plugins").write_text("[].\n")
    environment = {
        "PATH": f"{files}/usr/lib/erlang/bin:{os.environ['PATH']}",
        "HOME": str(folder),  # of the cookie
        "ERL_EPMD_PORT": str(names),
        "RABBITMQ_HOME": str(home),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
        "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
        "RABBITMQ_LOG_BASE": f"{folder}/log",
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_NODENAME": f"trimind{port}@localhost",
        "RABBITMQ_DIST_PORT": str(node),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
    }
    epmd = [f"{files}/usr/lib/erlang/bin/epmd", "-address", "127.0.0.1", "-port", str(names)]
    with (folder / "out").open("wb") as out:
        name_server = subprocess.Popen(epmd, env=environment)
        broker = subprocess.Popen(
            ["sh", f"{home}/sbin/rabbitmq-server"],
            env=environment,
            stdout=out,
            stderr=out,
        )
    try:
        wait_until(lambda: _listens(port), START_WITHIN_S)
        yield port
    finally:
        broker.terminate()
        broker.wait(30)
        name_server.terminate()
        name_server.wait(10)
        shutil.rmtree(folder)


def _let_erlang_be_anywhere(files: Path, cache: Path) -> None:
    """Replace the package's folder, which is hard-coded in the start script."""
    script = files / "usr/lib/erlang/bin/erl"
    script.write_text(script.read_text().replace("=/usr/lib/erlang", f"={cache}/usr/lib/erlang"))


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
