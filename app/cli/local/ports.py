"""The addresses of the web process and Flower, chosen before anything is started."""

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
_taken: Final[list[socket.socket]] = []  # kept open for the lifetime of this process


def addresses(environ: Mapping[str, str], settings: Settings) -> Addresses:
    """The addresses set by BIND, PORT and FLOWER_PORT; on loopback unless BIND says otherwise.

    Raises:
        ClickException: a port is taken; names the variable and a free port.
    """
    bind = variable("BIND", environ)
    if bind is None:
        _take_or_fail(settings.port, "PORT", settings.port)
        bind, port = f"{LOOPBACK}:{settings.port}", settings.port
    else:
        port = _port_of(bind)
        _take_or_fail(port, "BIND", bind)
    return Addresses(
        bind, port, _flower_port(environ, settings), environ.get("FLOWER_URL_PREFIX", "")
    )


def _port_of(bind: str) -> int:
    named = _BIND.fullmatch(bind)
    if named is None or not 0 < int(named[1]) <= PORT_MAX:
        raise click.ClickException(f"BIND={bind}: set BIND=host:port, such as 0.0.0.0:8000")
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
            f"{variable}={value} is in use by another program:"
            f" put {variable}={other} (or another free port) in front of the command"
        )


def _take(port: int) -> bool:
    """Reserve the port; False if it is in use, or another `trimind up` is about to listen on it."""
    with socket.socket() as probe:
        # As servers do: connections in TIME_WAIT don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0trimind-port-{port}")  # the kernel removes this name with the process
    except OSError:
        mark.close()
        return False
    _taken.append(mark)
    return True
