"""A check of the `FLOWER_…` variables: Flower reads its options from them, and raises a traceback
for an invalid one. Only Flower's process imports this."""

import os
from typing import Final

from flower.command import ENV_VAR_PREFIX, is_flower_envvar
from flower.options import default_options
from flower.utils import strtobool
from tornado.netutil import bind_sockets

from config.environ import variable
from config.settings import refuse_start

KINDS: Final = {int: "a whole number", float: "a number", bool: "true or false"}


def check_flower_environ() -> None:
    """Unset blank variables; exit (status 78), naming those that Flower can't read."""
    problems = []
    for name in filter(is_flower_envvar, list(os.environ)):
        value = variable(name)
        if value is None:
            del os.environ[name]
        elif problem := _problem(name, value):
            problems.append(problem)
    if problems:
        refuse_start("\n".join(problems))


def check_flower_port(port: int) -> None:
    """Exit (status 78) if Flower can't listen there: it would raise a traceback."""
    name = "PORT" if variable("PORT") else "FLOWER_PORT"
    address = variable("FLOWER_ADDRESS") or None
    try:
        for each in bind_sockets(port, address):
            each.close()
    except OSError as error:
        place = f"{address or '*'}:{port} ({error.strerror or error})"
        refuse_start(f"{name}: can't listen on {place}; set {name} to one that is free")


def _problem(name: str, value: str) -> str | None:
    option = name.removeprefix(ENV_VAR_PREFIX).lower().replace("_", "-")
    kind = default_options._options[option].type
    read = strtobool if kind is bool else kind
    try:
        for part in value.split(",") if default_options._options[option].multiple else (value,):
            read(part)
    except (ValueError, TypeError):
        return f"{name}: is not {KINDS.get(kind, 'to be set by a variable')}; see Flower's options"
    return None
