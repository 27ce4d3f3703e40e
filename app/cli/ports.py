"""Where the web and Flower are to listen, found out before anything is started."""

import re
import socket
from collections.abc import Mapping
from typing import Final

import click

from app.cli.services import LOOPBACK, Addresses
from config.settings import Settings
from deploy.embedded.ports import free_port

_BIND: Final = re.compile(r"(?P<host>.+):(?P<port>\d{1,5})")


def addresses(environ: Mapping[str, str], settings: Settings) -> Addresses:
    """By BIND, PORT and FLOWER_PORT; loopback unless BIND says otherwise.

    Raises ClickException where a port is taken, naming the variable and what to write.
    """
    bind = environ.get("BIND") or f"{LOOPBACK}:{settings.port}"
    named = _BIND.fullmatch(bind)
    if named is None:
        raise click.ClickException(f"BIND={bind}: write BIND=host:port, such as 0.0.0.0:8000")
    port = int(named["port"])
    _check_free(port, "BIND" if "BIND" in environ else "PORT", bind if "BIND" in environ else port)
    return Addresses(bind, port, _flower_port(environ, settings))


def _flower_port(environ: Mapping[str, str], settings: Settings) -> int:
    if "FLOWER_PORT" in environ:
        _check_free(settings.flower_port, "FLOWER_PORT", settings.flower_port)
        return settings.flower_port
    return settings.flower_port if _is_free(settings.flower_port) else free_port()


def _check_free(port: int, variable: str, value: object) -> None:
    if not _is_free(port):
        raise click.ClickException(
            f"{variable}={value} is taken by another program: write {variable}="
            f"{str(value).replace(str(port), str(free_port()))} (or another free port) in front"
            " of the command"
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are only fading away is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
