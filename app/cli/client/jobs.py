"""`trimind job`: list, show, follow, cancel and retry jobs."""

import json
import sys
from typing import cast

import click

from app.cli.client.access import connected
from app.cli.client.following import follow_aloud, follow_silently
from app.cli.client.receipt import Progress, ending
from app.cli.client.terminal import echo, line
from app.cli.output import as_json_option, print_result
from trimind import FINISHED, Job
from trimind.objects import JobStatus

STATUSES = ("queued", "in_progress", *FINISHED)


@click.group()
def job() -> None:
    """List, show, follow, cancel and retry jobs."""


@job.command("list")
@click.option("--limit", type=click.IntRange(1, 100), default=20, help="How many; 20 if omitted.")
@click.option("--status", type=click.Choice(STATUSES), help="Only jobs with this status.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(limit: int, status: str | None, as_json: bool) -> None:
    """List your jobs, newest first: id, status, mind, time, model."""
    with connected() as client:
        found = client.jobs(limit=limit, status=cast("JobStatus | None", status))
    if as_json:
        echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for each in found:
        model = (each["route"] and each["route"].get("model")) or ""
        text = (
            f"{each['id']}  {each['status']:<11}  {each['mind']:<8}  {each['created_at']}  {model}"
        )
        echo(line(text.rstrip()))


@job.command()
@click.argument("job_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(job_id: str, as_json: bool) -> None:
    """Show a job's current stages, answer and receipt."""
    with connected() as client:
        found = client.job(job_id)
    if as_json:
        echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for text in [
        f"{found['id']} {found['status']}",
        *Progress().lines(found["stages"]),
        *ending(found),
    ]:
        echo(text)


@job.command()
@click.argument("job_id")
@as_json_option
def follow(job_id: str, as_json: bool) -> None:
    """Follow a job to its end: its answer as it is generated, then its receipt.

    Exits with 1 if there is no answer.
    """
    with connected() as client:
        follow_job = follow_silently if as_json else follow_aloud
        _exit(follow_job(client, client.job(job_id)))


@job.command()
@click.argument("job_id")
@as_json_option
def cancel(job_id: str, as_json: bool) -> None:
    """Cancel a job; it keeps the text generated so far."""
    with connected() as client:
        found = client.cancel(job_id)
    print_result(as_json, found, f"{found['id']} is cancelled.")


@job.command()
@click.argument("job_id")
@as_json_option
def retry(job_id: str, as_json: bool) -> None:
    """Retry a job that ended without an answer, and follow the new job."""
    with connected() as client:
        follow_job = follow_silently if as_json else follow_aloud
        _exit(follow_job(client, client.retry(job_id)))


def _exit(job: Job) -> None:
    sys.exit(0 if job["status"] == "completed" else 1)
