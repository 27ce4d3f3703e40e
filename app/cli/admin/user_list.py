"""`trimind user list`: the users, and how much of theirs is unfinished."""

import click

from app.cli.admin.database import database
from app.cli.client.terminal import echo, line
from app.cli.output import as_json_option, print_result
from models.users import list_users


@click.command("list")
@click.option("--after", help="Continue after the user with this id.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, help="How many; 100.")
@as_json_option
def list_(after: str | None, limit: int, as_json: bool) -> None:
    """List users, oldest first: id, time, whether it is being deleted, unfinished jobs, name."""
    with database() as session:
        found = list_users(session, after=after or "", limit=limit)
    if as_json:
        rows = [
            {
                "id": each.id,
                "external_id": each.external_id,
                "created_at": each.created_at.isoformat(),
                "deleted_at": each.deleted_at.isoformat() if each.deleted_at else None,
                "unfinished_jobs": each.unfinished_jobs,
            }
            for each in found
        ]
        print_result(True, rows, "")
        return
    for each in found:
        state = "being deleted" if each.deleted_at else "active"
        time = f"{each.created_at:%Y-%m-%d %H:%M}"
        echo(line(f"{each.id}  {time}  {state:<13}  {each.unfinished_jobs:>6}  {each.external_id}"))
