"""`trimind user`: what concerns one user."""

import click

from app.cli.admin.limits import limits
from app.cli.admin.privacy import delete, export
from app.cli.admin.user_list import list_


@click.group()
def user() -> None:
    """List users; show and change what one may do; export or delete all that is the user's.

    NAME is the user's external id: your own id, or <issuer>|<sub> of one who signs in by JWT.
    """


for command in (list_, limits, export, delete):
    user.add_command(command)
