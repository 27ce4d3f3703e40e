"""`trimind user export` and `delete`: all that is one user's.

NAME is the user's external id: your own id, or `<issuer>|<sub>` of one who signs in by JWT.
"""

import json

import click
from sqlalchemy.orm import Session

from app.cli.admin.database import check_external_id, database, operator
from app.cli.client.terminal import line
from app.cli.output import as_json_option, print_result
from config.logging import mask
from models.audit import record
from models.errors import DatabaseUnavailable
from models.export import export_user
from models.lifecycle.user_deletion import begin_deletion
from models.users import find_user
from tasks.events.revocations import announce_revocation
from tasks.jobs import after_commit
from tasks.jobs.user_deletion import delete_user


@click.command()
@click.argument("name", callback=check_external_id)
@as_json_option
def export(name: str, as_json: bool) -> None:
    """Print all that is a user's, without secrets: a JSON object on each line, with its table.

    With --json, the objects are one list.
    """
    with database() as session:
        user_id = _find(session, name)
        record(session, "user.exported", user_id, by=operator(), user_id=user_id)
    try:
        click.echo("[" if as_json else "", nl=False)
        for number, (table, row) in enumerate(export_user(user_id)):
            text = json.dumps({"table": table, **row}, default=str, ensure_ascii=False)
            click.echo(f",\n{text}" if as_json and number else text, nl=not as_json)
        click.echo("]\n" if as_json else "", nl=False)
    except DatabaseUnavailable as error:
        raise click.ClickException(f"DATABASE_URL: {mask(str(error))}") from None


@click.command()
@click.argument("name", callback=check_external_id)
@click.option("--yes", is_flag=True, help="Don't ask.")
@as_json_option
def delete(name: str, yes: bool, as_json: bool) -> None:
    """Delete a user and all that is his, for good: keys, jobs, conversations.

    Unfinished jobs are cancelled first. If it is interrupted, a worker goes on.
    """
    with database() as session:
        _find(session, name)
    if not yes:
        click.confirm(f"Delete {line(name)} and all that is his?", abort=True, err=True)
    after_commit.register()
    with database() as session:
        user_id = begin_deletion(session, name, operator())
    if user_id is None:
        raise _unknown(name)
    announce_revocation(user_id)
    deleted = 0

    def show(rows: int) -> None:
        nonlocal deleted
        deleted += rows
        click.echo(f"\r{deleted} rows", nl=False, err=True)

    try:
        delete_user(user_id, show)
    except DatabaseUnavailable:
        raise click.ClickException(
            "the database is unavailable: a worker goes on with the deletion later"
        ) from None
    click.echo(f"\r{line(name)} is deleted.", err=True)
    if as_json:
        print_result(True, {"external_id": name, "id": user_id, "rows": deleted}, "")


def _find(session: Session, name: str) -> str:
    found = find_user(session.connection(), name)
    if found is None:
        raise _unknown(name)
    return found


def _unknown(name: str) -> click.ClickException:
    return click.ClickException(f"there is no user {line(name)}")
