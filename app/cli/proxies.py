"""A check of the environment's proxies for commands that use the network: an invalid one makes
HTTP clients raise a traceback, which may contain part of its password."""

import os

import click

from config.proxy_url import MALFORMED, usable

VARIABLES = tuple(f"{scheme}_proxy" for scheme in ("http", "https", "all"))


def check_proxies() -> None:
    """Check the proxy variables.

    Raises:
        ClickException: a proxy can't be used; names the variable.
    """
    for name, value in os.environ.items():
        if name.lower() in VARIABLES and value.strip() and usable(value.strip()) is None:
            raise click.ClickException(f"{name} can't be used: it {MALFORMED}. Fix it, or unset it")
