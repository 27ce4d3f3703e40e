"""`trimind user`: what concerns one user."""

import click

from app.cli.admin.limits import limits
from app.cli.admin.privacy import delete, export


@click.group()
def user() -> None:
    """Show and change what one user may do; export or delete all that is the user's.

    NAME is the user's external id: your own id, or <issuer>|<sub> of one who signs in by JWT.
    """


for command in (limits, export, delete):
    user.add_command(command)
