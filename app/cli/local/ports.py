"""Where the web and Flower are to listen, found out before anything is started."""

import re
import socket
from collections.abc import Mapping
from typing import Final

import click

from app.cli.local.services import LOOPBACK, Addresses
from config.environ import variable
from config.settings import Settings
from deploy.embedded.ports import free_port

PORT_MAX: Final = 65_535
_BIND: Final = re.compile(r".+:(\d{1,5})")
_taken: Final[list[socket.socket]] = []  # held as long as this process lives


def addresses(environ: Mapping[str, str], settings: Settings) -> Addresses:
    """By BIND, PORT and FLOWER_PORT; loopback unless BIND says otherwise.

    Raises ClickException where a port is taken, naming the variable and what to write.
    """
    bind = variable("BIND", environ)
    if bind is None:
        _take_or_fail(settings.port, "PORT", settings.port)
        bind, port = f"{LOOPBACK}:{settings.port}", settings.port
    else:
        port = _port_of(bind)
        _take_or_fail(port, "BIND", bind)
    return Addresses(bind, port, _flower_port(environ, settings))


def _port_of(bind: str) -> int:
    named = _BIND.fullmatch(bind)
    if named is None or not 0 < int(named[1]) <= PORT_MAX:
        raise click.ClickException(f"BIND={bind}: write BIND=host:port, such as 0.0.0.0:8000")
    return int(named[1])


def _flower_port(environ: Mapping[str, str], settings: Settings) -> int:
    port = settings.flower_port
    if "FLOWER_PORT" in environ:
        _take_or_fail(port, "FLOWER_PORT", port)
        return port
    return port if _take(port) else free_port()


def _take_or_fail(port: int, variable: str, value: object) -> None:
    if not _take(port):
        other = str(value).replace(str(port), str(free_port()))
        raise click.ClickException(
            f"{variable}={value} is taken by another program:"
            f" write {variable}={other} (or another free port) in front of the command"
        )


def _take(port: int) -> bool:
    """Whether the port is free, and no other `trimind up` is about to listen on it."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are only fading away is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0trimind-port-{port}")  # a name that the kernel forgets with this process
    except OSError:
        mark.close()
        return False
    _taken.append(mark)
    return True
