"""`trimind jobs`: everybody's jobs, as the database has them, without what was said in them."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import click
from sqlalchemy import inspect
from sqlalchemy.orm import Session

from app.cli.admin.database import database
from app.cli.client.terminal import echo, line
from app.cli.output import as_json_option, print_result
from models.errors import NotFound, TrimindError
from models.jobs import STAGES, STATUSES, Job
from models.lifecycle.endings import cancel
from models.operations import OwnedJob, find_any_job, list_all_jobs
from tasks.jobs import after_commit
from tasks.jobs.commands import dispatch_again

# What callers have written, or were answered.
TEXTS: Final = frozenset({"prompt", "answer", "partial", "meta", "options", "webhook_url"})
LISTED: Final = ("id", "status", "slot", "stage", "mind", "created_at", "attempts", "epoch")


@click.group()
def jobs() -> None:
    """List, show, cancel and dispatch everybody's jobs, as the database has them.

    What users wrote and were answered is not shown. Flower forgets; this does not.
    """


@jobs.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only jobs with this status.")
@click.option("--of", "q", help="A user's external id, or a conversation's or broadcast's id.")
@click.option("--after", help="Continue after the job with this id.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, help="How many; 50.")
@as_json_option
def list_(status: str | None, q: str | None, after: str | None, limit: int, as_json: bool) -> None:
    """List jobs, newest first: id, status, slot, stage, mind, time, attempts, epoch, user."""
    with database() as session:
        found = list_all_jobs(session, limit=limit, after=after, status=status, q=q)[:limit]
        rows = [{name: _row(each)[name] for name in (*LISTED, "user")} for each in found]
    if as_json:
        print_result(True, rows, "")
        return
    for row in rows:
        echo(line("  ".join(str(value if value is not None else "-") for value in row.values())))


@jobs.command()
@click.argument("job_id")
@as_json_option
def show(job_id: str, as_json: bool) -> None:
    """Show a job: where it is, who owns its stage until when, its receipt; no text of it."""
    with database() as session:
        found = find_any_job(session, job_id)
        row = _row(found) if found else None
    if row is None:
        raise click.ClickException(f"there is no job {line(job_id)}")
    if as_json:
        print_result(True, row, "")
        return
    for name, value in row.items():
        if value not in (None, {}, ""):
            echo(line(f"{name:<18}{json.dumps(value) if isinstance(value, dict) else value}"))


@jobs.command("cancel")
@click.argument("job_ids", nargs=-1, required=True)
@as_json_option
def cancel_command(job_ids: Sequence[str], as_json: bool) -> None:
    """Cancel jobs; they keep the text generated so far. Exits with 1 if one has ended before."""
    _each(job_ids, "cancelled", _cancel, as_json)


@jobs.command()
@click.argument("job_ids", nargs=-1, required=True)
@as_json_option
def redispatch(job_ids: Sequence[str], as_json: bool) -> None:
    """Have a worker publish queued jobs again, and end waits: within RECONCILE_EVERY_S.

    Harmless: a message that is already in the broker is dropped by the database. A running job is
    refused; if its worker is dead, it is dispatched once its lease has expired. Exits with 1 if one
    was refused.
    """
    _each(job_ids, "to be dispatched", dispatch_again, as_json)


def _cancel(session: Session, job_id: str) -> None:
    if cancel(session, job_id):
        return
    job = session.get(Job, job_id)
    raise NotFound("There is no such job." if job is None else f"It has ended: {job.status}.")


def _each(
    job_ids: Sequence[str], done: str, change: Callable[[Session, str], None], as_json: bool
) -> None:
    """Change each job in a transaction of its own, and print what became of it."""
    after_commit.register()
    results = []
    for job_id in dict.fromkeys(job_ids):
        with database() as session:
            try:
                change(session, job_id)
            except TrimindError as error:
                results.append({"id": job_id, "ok": False, "detail": str(error)})
                session.rollback()
            else:
                results.append({"id": job_id, "ok": True, "detail": done})
    if as_json:
        print_result(True, results, "")
    else:
        for each in results:
            echo(line(f"{each['id']}: {each['detail']}"), err=not each["ok"])
    sys.exit(0 if all(each["ok"] for each in results) else 1)


def _row(found: OwnedJob) -> dict[str, Any]:
    job = found.job
    columns = [each.key for each in inspect(Job).mapper.column_attrs if each.key not in TEXTS]
    row = {name: _plain(getattr(job, name)) for name in columns if name != "stages"}
    row["stages"] = {
        stage: {"status": record.status, "ms": record.ms, "code": record.code}
        for stage in STAGES
        if stage in job.stages
        for record in [job.record(stage)]
    }
    return {**row, "user": found.user}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal | UUID) else value
