"""The web process: one event loop, or WEB_CONCURRENCY of them behind one socket."""

import resource
import socket
from contextlib import suppress
from logging import ERROR, LogRecord, getLogger
from pathlib import Path
from typing import Any, Final

from uvicorn import Config

from app.server.loop import Loop
from app.server.supervisor import Supervisor
from config.environ import variable
from config.logging import configure_logging
from config.minds import minds_or_exit
from config.misspelled import warn_of_misspelled
from config.settings import Settings, refuse_start, settings_or_exit
from models.preflight import refuse_unusable_servers

UNIX: Final = "unix:"
END_WITHIN_S: Final = 20  # a PaaS kills 30 s after SIGTERM
KEEP_ALIVE_S: Final = 5
BACKLOG: Final = 2048


def serve() -> None:
    """Serve until SIGTERM. Exits with status 78, naming the variable, if a setting is wrong, or a
    server can't be used as it is; and if the port is taken."""
    settings = settings_or_exit()
    minds_or_exit()
    configure_logging(settings.log_level, settings.log_format)
    warn_of_misspelled()
    refuse_unusable_servers(settings)
    _allow_many_connections()
    path = (variable("BIND") or "").removeprefix(UNIX)
    config = _config(settings)
    if config.uds:
        with suppress(FileNotFoundError):
            Path(path).unlink()
    listening = _bound(config)
    if config.workers > 1:
        Supervisor(config, listening).run()
    else:
        Loop(config).run([listening])
    if config.uds:
        Path(path).unlink(missing_ok=True)


def _bound(config: Config) -> socket.socket:
    logger = getLogger("uvicorn.error")
    logger.addFilter(_is_no_error)  # it would say so without a name
    try:
        return config.bind_socket()
    except SystemExit as error:
        name = "BIND" if variable("BIND") else "PORT"
        place = config.uds or f"{config.host}:{config.port}"
        why = getattr(error.__context__, "strerror", None) or "unknown reason"
        refuse_start(f"{name}: can't listen on {place} ({why}); set {name} to one that is free")
    finally:
        logger.removeFilter(_is_no_error)


def _is_no_error(record: LogRecord) -> bool:
    return record.levelno < ERROR


def _config(settings: Settings) -> Config:
    bind = variable("BIND") or f"0.0.0.0:{settings.port}"
    host, _, port = bind.rpartition(":")
    is_port = port.isascii() and port.isdigit() and int(port) < 65536
    if not bind.startswith(UNIX) and not (is_port and ":" in bind):
        refuse_start(f"BIND: is {bind!r}; set BIND=<host>:<port>, or unix:/<path>")
    where: dict[str, Any] = {"host": host.strip("[]")}
    if bind.startswith(UNIX):
        where = {"uds": bind.removeprefix(UNIX)}
    else:
        where["port"] = int(port)
    return Config(
        "app.asgi:app",
        **where,
        http="app.server.protocol:Protocol",  # by name: each process imports it
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # the application logs each request, with its id
        server_header=False,
        proxy_headers=False,  # no caller is a trusted proxy
        workers=settings.web_concurrency,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=END_WITHIN_S,
    )


def _allow_many_connections() -> None:
    """Raise the limit of file descriptors, often 1,024: each connection takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
