"""`trimind user`: what concerns one user."""

import click

from app.cli.admin.limits import limits


@click.group()
def user() -> None:
    """Show and change what one user may do."""


user.add_command(limits)
