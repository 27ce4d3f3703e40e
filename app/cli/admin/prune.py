"""`trimind prune`: delete what is old, now and once; `RETENTION_DAYS` does so all the time."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import click
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.cli.admin.database import database
from app.cli.output import as_json_option, print_result
from models.lifecycle.retention import (
    ConversationBatch,
    count_old_jobs,
    expire_conversations,
    expire_jobs,
    look_at_conversations,
)

# How many jobs are deleted between two lines of progress, where it is no terminal that shows them.
LINE_EVERY: Final = 10_000

Step = Callable[[Session, timedelta, str], ConversationBatch]


@dataclass(frozen=True)
class Cutoff:
    """A moment, by the database's clock; `read_at` is when it was read, by the monotonic one."""

    at: datetime
    days: int
    read_at: float

    @property
    def age(self) -> timedelta:
        """How long ago it is now. What grows old meanwhile is not deleted: there may be no end."""
        return timedelta(days=self.days, seconds=time.monotonic() - self.read_at)


@click.command()
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(1, 36_500),
    required=True,
    metavar="DAYS",
    help="Days since the end of a job, or the last change of a conversation: 1 to 36500.",
)
@click.option("--dry-run", is_flag=True, help="Only count what would be deleted.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@as_json_option
def prune(days: int, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete jobs that ended so long ago, with their messages and answers; and conversations
    without jobs that nobody has touched since.

    In transactions of at most 100 jobs, each of which locks only what it deletes. Unfinished jobs,
    users, keys and usage by day stay. If it is interrupted, run it again.

    Exits with 1 if old jobs are left: those of a conversation that is locked at that moment, and
    those that no worker has added to their users' usage yet.
    """
    with database() as session:
        at = session.scalars(select(func.now() - timedelta(days=days))).one()
    cutoff = Cutoff(at, days, time.monotonic())
    jobs, left = _count_jobs(cutoff), 0
    if dry_run:
        conversations = _each_conversation(look_at_conversations, cutoff)
    else:
        if not yes:
            click.confirm(f"Delete {jobs} jobs for good?", abort=True, err=True)
        jobs = _delete_jobs(cutoff, jobs)
        conversations = _each_conversation(expire_conversations, cutoff)
        left = _count_jobs(cutoff)
    done = "would be deleted" if dry_run else "are deleted"
    found = {"jobs": jobs, "conversations": conversations, "left": left}
    text = f"{jobs} jobs and {conversations} conversations {done}."
    print_result(as_json, {"older_than_days": days, "dry_run": dry_run, **found}, text)
    if left:
        click.echo(f"{left} old jobs are left: run it again in a minute.", err=True)
        sys.exit(1)


def _count_jobs(cutoff: Cutoff) -> int:
    with database() as session:
        return count_old_jobs(session, cutoff.at)


def _delete_jobs(cutoff: Cutoff, of: int) -> int:
    """Delete old jobs in batches, and show how far it is; returns how many were deleted."""
    done = 0
    while True:
        with database() as session:
            deleted = expire_jobs(session, cutoff.age)
        if not deleted:
            break
        _show(done, done + deleted, of)
        done += deleted
    if done and sys.stderr.isatty():
        click.echo(err=True)
    return done


def _each_conversation(step: Step, cutoff: Cutoff) -> int:
    """Delete, or count, conversations in batches; returns how many."""
    done = 0
    after: str | None = ""
    while after is not None:
        with database() as session:
            batch = step(session, cutoff.age, after)
        done += batch.conversations
        after = batch.after
    return done


def _show(before: int, now: int, of: int) -> None:
    text = f"{now} of {max(now, of)} jobs"
    if sys.stderr.isatty():
        click.echo(f"\r{text}", nl=False, err=True)
    elif before // LINE_EVERY < now // LINE_EVERY:
        click.echo(text, err=True)
