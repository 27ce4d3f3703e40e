"""Hosts that reach the stack's servers over links that can be cut: a network namespace each.

The hub stands for the network with the servers. It has one address, and each host a route to it
through a link of its own:

    hub, 10.77.0.1 -- link1: 10.77.1.1 ~~ 10.77.1.2 -- host
                   -- link2: 10.77.2.1 ~~ 10.77.2.2 -- host

All belong to one user namespace, so that it takes no root. Each is held by a process that reads a
pipe, which ends with this process, however it ends; then nothing is left of the namespace.
"""

import os
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress

from tests.integration.debian import unpacked

ADDRESS = "10.77.0.1"
_LISTEN = """
import socket, sys
listener = socket.create_server((sys.argv[1], 0))
socket.send_fds(socket.socket(fileno=0), [b"listener"], [listener.fileno()])
"""


class Namespace:
    """A network namespace."""

    def __init__(self, *command: str) -> None:
        """Make one. `command`: makes it, and runs the program that follows in it."""
        self._holder = subprocess.Popen(
            [*command, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self.pid = self._holder.pid
        with suppress(BrokenPipeError):
            self._holder.stdin.write("made\n")
            self._holder.stdin.flush()
        assert self._holder.stdout.readline() == "made\n", f"cannot run {' '.join(command)}"

    def command(self, *command: str) -> list[str]:
        """The command that runs this one in the namespace."""
        enter = ["nsenter", f"--target={self.pid}", "--user", "--net", "--preserve-credentials"]
        return [*enter, *command]

    @property
    def files(self) -> tuple[str, str]:
        """What another process enters, one after the other, to be in the namespace."""
        return f"/proc/{self.pid}/ns/user", f"/proc/{self.pid}/ns/net"

    def ip(self, command: str) -> None:
        """Run `ip` with these words in the namespace."""
        program, environ = _ip()
        subprocess.run(self.command(program, *command.split()), env=environ, check=True)

    def close(self) -> None:
        """End its holder. It lives on while another process is in it."""
        self._holder.communicate()


class Host:
    """A host: a namespace, and the link to the hub."""

    def __init__(self, hub: Namespace, number: int) -> None:
        self._hub, self._link = hub, f"link{number}"
        near, far = f"10.77.{number}.1", f"10.77.{number}.2"
        self.namespace = Namespace(*hub.command("unshare", "--net"))
        hub.ip(f"link add {self._link} type veth peer name eth0 netns {self.namespace.pid}")
        hub.ip(f"address add {near}/24 dev {self._link}")
        hub.ip(f"link set {self._link} up")
        self.namespace.ip(f"address add {far}/24 dev eth0")
        for device in ("lo", "eth0"):
            self.namespace.ip(f"link set {device} up")
        self.namespace.ip(f"route add default via {near}")

    def cut(self) -> None:
        """Cut the link: packets vanish in both directions, and nothing is closed."""
        self._hub.ip(f"link set {self._link} down")

    def restore(self) -> None:
        """Connect it again."""
        self._hub.ip(f"link set {self._link} up")


class Network:
    """The hub and its hosts. A context manager."""

    def __init__(self) -> None:
        self._exits = ExitStack()

    def __enter__(self) -> "Network":
        self._hub = Namespace("unshare", "--user", "--map-root-user", "--net")
        self._exits.callback(self._hub.close)
        self._hub.ip(f"address add {ADDRESS}/32 dev lo")
        self._hub.ip("link set lo up")
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def add_host(self, number: int) -> Host:
        """Add a host. Its number makes its addresses."""
        host = Host(self._hub, number)
        self._exits.callback(host.namespace.close)
        return host

    def listen(self) -> socket.socket:
        """A socket that listens in the hub, on a free port of `ADDRESS`. This process, which is
        outside, accepts and reads from it all the same."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            script = [sys.executable, "-I", "-S", "-c", _LISTEN, ADDRESS]
            subprocess.run(self._hub.command(*script), stdin=theirs.fileno(), check=True)
            _, fds, _, _ = socket.recv_fds(ours, 16, 1)
        return socket.socket(fileno=fds[0])


def _ip() -> tuple[str, dict[str, str]]:
    """The program `ip`, and the environment that it needs."""
    if found := shutil.which("ip", path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
        return found, dict(os.environ)
    files = unpacked("iproute2", ("iproute2", "libbpf1", "libelf1", "libmnl0", "libbsd0"))
    program = shutil.which("ip", path=f"{files}/bin:{files}/usr/bin")
    libraries = ":".join(map(str, files.glob("usr/lib/*-linux-gnu")))
    assert program is not None
    return program, {**os.environ, "LD_LIBRARY_PATH": libraries}
