"""The environment's proxies, for commands that call out: HTTP clients end in a traceback at one
that they can't read, with a part of its password in it."""

import os

import click

from tasks.llm.proxies import WRONG, usable

VARIABLES = tuple(f"{scheme}_proxy" for scheme in ("http", "https", "all"))


def check_proxies() -> None:
    """Raises ClickException, naming the variable, where a proxy can't be used."""
    for name, value in os.environ.items():
        if name.lower() in VARIABLES and value.strip() and usable(value.strip()) is None:
            raise click.ClickException(f"{name} can't be used: it {WRONG}. Fix it, or unset it")
